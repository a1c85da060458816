/**
 * `app verify` shown to fail: finished sales on PostgreSQL, and for each kind of damage a copy of that
 * database with one row changed behind the program's back. Each is found under its invariant, by name.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { openPostgres } from "#platform/database/postgres";
import { emptyPlace, type Place } from "../support/binary.ts";
import { damages } from "../support/damages.ts";
import { type FreshPostgres, freshPostgres, onServer } from "../support/databases.ts";
import { eventually } from "../support/logs.ts";
import { createMarket } from "../support/market.ts";
import { killAll, runApp, startApp, verify } from "../support/processes.ts";

const secret = "a secret for this test, thirty-two bytes";
const sales = 3;
let place: Place;
let original: FreshPostgres;
let env: Record<string, string>;
/** The first escrow, and its numbers in both modules: what the statements below damage. */
let names: Record<"ESCROW" | "OTHER" | "NO" | "PNO", string>;

beforeAll(async () => {
  [place, original] = await Promise.all([emptyPlace(), freshPostgres()]);
  env = {
    DATABASE_URL: original.url,
    KAFKA_ENABLED: "false",
    JWT_SECRET: secret,
    DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
    LOG_LEVEL: "warn",
  };
  expect((await runApp(place, ["migrate"], env)).code).toBe(0);
  const app = startApp(place, ["--port", "0"], env);
  const url = await app.ready();
  const market = createMarket({ url: () => url, secret, patienceMs: 30_000 });
  await Promise.all(Array.from({ length: sales }, () => market.sell()));
  const db = openPostgres({ url: original.url, max: 1 });
  // The provider's fee comes after the sale: two books are compared once both have seen everything.
  await eventually(async () => {
    const behind = await db.sql`
      SELECT FROM escrow.escrow e JOIN payments.payment p ON p.escrow_id = e.id
      WHERE p.version <> e.seen_payments`;
    return behind.length === 0;
  });
  expect((await app.stop()).code).toBe(0);
  // Long ago: what is younger than a minute may still be under way.
  await db.script(`
    UPDATE escrow.escrow SET updated_at = updated_at - interval '1 hour';
    UPDATE payments.payment SET updated_at = updated_at - interval '1 hour';
    UPDATE log.message SET at = at - interval '1 hour';
    UPDATE sandbox.movement SET at = at - interval '1 hour'`);
  await db.withTx(async (tx) => {
    await tx.script(`SET LOCAL session_replication_role = replica;
      UPDATE payments.ledger_transaction SET at = at - interval '1 hour'`);
  });
  expect((await runApp(place, ["reconcile"], env)).code).toBe(0);
  const [first, second] = await db.sql<{ id: string; no: bigint; pno: bigint }>`
    SELECT e.id, e.no, p.escrow_no AS pno
    FROM escrow.escrow e JOIN payments.payment p ON p.escrow_id = e.id ORDER BY e.id`;
  await db.close();
  if (!first || !second) throw new Error("no sales");
  names = { ESCROW: first.id, OTHER: second.id, NO: `${first.no}`, PNO: `${first.pno}` };
}, 120_000);

afterAll(async () => {
  await killAll();
  await original?.drop();
}, 60_000);

/** Verifies a copy of the database after the statements ran in it, with all its guards asleep. */
async function verifyDamaged(damage: string) {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const from = new URL(original.url).pathname.slice(1);
  const url = original.url.replace(from, name);
  await onServer((server) => server.script(`CREATE DATABASE ${name} TEMPLATE ${from}`));
  try {
    const db = openPostgres({ url, max: 1 });
    const text = Object.entries(names).reduce(
      (sql, [key, to]) => sql.replaceAll(`$${key}`, to),
      damage,
    );
    const tag =
      text === ""
        ? ""
        : await db.withTx(async (tx) => {
            await tx.script("SET LOCAL session_replication_role = replica");
            return tx.script(text);
          });
    await db.close();
    return { tag, ...(await verify(place, { ...env, DATABASE_URL: url })) };
  } finally {
    await onServer((server) => server.script(`DROP DATABASE ${name} WITH (FORCE)`));
  }
}

test("needs no secret of tokens, and names the key that it lacks", async () => {
  const { JWT_SECRET: _, ...without } = env;
  expect(await verify(place, without)).toMatchObject({ code: 0, ok: true });
  const { DATA_KEY: _key, ...keyless } = without;
  const { code, stdout, stderr } = await runApp(place, ["verify"], keyless);
  expect({ code, stdout, lines: stderr.trim().split("\n") }).toEqual({
    code: 3,
    stdout: "",
    lines: ["wrong settings:", expect.stringContaining("DATA_KEY (default): missing; expected")],
  });
});

test("the untouched copy is sound", async () => {
  const found = await verifyDamaged("");
  expect(found).toMatchObject({ code: 0, ok: true, broken: [] });
  expect(found.checked).toBeGreaterThan(20);
}, 60_000);

test.each([...damages])(
  "$what",
  async ({ sql, id, names: wanted }) => {
    const { code, ok, broken } = await verifyDamaged(sql);
    const expected = Object.entries(names).reduce(
      (text, [key, to]) => text.replaceAll(`$${key}`, to),
      wanted,
    );
    const told = broken.map((verdict) => `${verdict.id} ${verdict.detail}`);
    expect({
      code,
      ok,
      told: told.find((line) => line.startsWith(id) && line.includes(expected)) ?? told,
    }).toEqual({
      code: 5,
      ok: false,
      told: expect.stringContaining(expected),
    });
  },
  60_000,
);
