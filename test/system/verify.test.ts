/**
 * `app verify` shown to fail: finished sales on PostgreSQL, and for each kind of damage a copy of that
 * database with one row changed behind the program's back. Each is found under its invariant, by name.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { openPostgres } from "#platform/postgres";
import { emptyPlace, type Place } from "../support/binary.ts";
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
    UPDATE log.message SET at = at - interval '1 hour'`);
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

test("the untouched copy is sound", async () => {
  const found = await verifyDamaged("");
  expect(found).toMatchObject({ code: 0, ok: true, broken: [] });
  expect(found.checked).toBeGreaterThan(20);
}, 60_000);

interface Damage {
  readonly what: string;
  readonly sql: string;
  /** The invariant that must name it, and how. */
  readonly id: string;
  readonly names: string;
}

const someCommand = "(SELECT min(command_id) FROM escrow.command_outcome WHERE escrow_no = $NO)";
const lastEvent = "(SELECT max(version) FROM escrow.history WHERE escrow_no = $NO)";
const lastFact = "(SELECT max(version) FROM payments.history WHERE escrow_no = $PNO)";

/** A record in the middle of a topic, of the first escrow. */
const recordOf = (topic: string) => `topic = '${topic}' AND key = '$ESCROW' AND (p, off) =
  (SELECT p, off FROM log.message WHERE topic = '${topic}' AND key = '$ESCROW' ORDER BY off OFFSET 1 LIMIT 1)`;

const damages: readonly Damage[] = [
  {
    what: "a ledger entry's amount",
    sql: "UPDATE payments.entry SET amount = amount + 1 WHERE escrow_no = $PNO AND number = (SELECT min(number) FROM payments.entry WHERE escrow_no = $PNO) AND line = 1",
    id: "I1",
    names: "$PNO/",
  },
  {
    what: "a ledger transaction moved to other accounts, still balanced",
    sql: "UPDATE payments.entry SET account = 'platform_losses' WHERE escrow_no = $PNO AND account = 'platform_fees'",
    id: "I1",
    names: "$ESCROW",
  },
  {
    what: "a ledger transaction without entries",
    sql: "DELETE FROM payments.entry WHERE escrow_no = $PNO AND number = (SELECT max(number) FROM payments.entry WHERE escrow_no = $PNO)",
    id: "I1",
    names: "$PNO/",
  },
  {
    what: "a held balance of payments",
    sql: "UPDATE payments.payment SET held = held + 1, funded = funded + 1 WHERE escrow_id = '$ESCROW'",
    id: "I1",
    names: "$ESCROW",
  },
  {
    what: "a released total of payments",
    sql: "UPDATE payments.payment SET released = released + 1, funded = funded + 1 WHERE escrow_id = '$ESCROW'",
    id: "I1",
    names: "$ESCROW",
  },
  {
    what: "an escrow's funds against the equation",
    sql: "ALTER TABLE escrow.escrow DROP CONSTRAINT conservation; UPDATE escrow.escrow SET released = released + 1 WHERE id = '$ESCROW'",
    id: "I1",
    names: "$ESCROW",
  },
  {
    what: "an escrow's funds columns, equation kept",
    sql: "UPDATE escrow.escrow SET released = released + 1, funded = funded + 1 WHERE id = '$ESCROW'",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "an escrow that has not seen payments' last word",
    sql: "UPDATE escrow.escrow SET seen_payments = seen_payments - 1 WHERE id = '$ESCROW'",
    id: "I9",
    names: "$ESCROW",
  },
  {
    what: "an escrow's snapshot",
    sql: "UPDATE escrow.escrow SET snapshot = (SELECT snapshot FROM escrow.escrow WHERE id = '$OTHER') WHERE id = '$ESCROW'",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "an escrow's snapshot that no longer decodes",
    sql: "UPDATE escrow.escrow SET snapshot = '\\xffff' WHERE id = '$ESCROW'",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "an escrow that is gone, its history left",
    sql: "DELETE FROM escrow.escrow WHERE id = '$ESCROW'",
    id: "I7",
    names: "$NO",
  },
  {
    what: "the last event of a history",
    sql: `DELETE FROM escrow.history WHERE escrow_no = $NO AND version = ${lastEvent}`,
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "an event in the middle of a history",
    sql: "DELETE FROM escrow.history WHERE escrow_no = $NO AND version = 2",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "a payload of the history",
    sql: "UPDATE escrow.history SET payload = payload || '\\xf20700' WHERE escrow_no = $NO AND version = 2",
    id: "I3",
    names: "$ESCROW version 2",
  },
  {
    what: "a payload of the history that no longer decodes",
    sql: "UPDATE escrow.history SET payload = '\\xffff' WHERE escrow_no = $NO AND version = 2",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "the last fact of payments' history",
    sql: `DELETE FROM payments.history WHERE escrow_no = $PNO AND version = ${lastFact}`,
    id: "I3",
    names: "$ESCROW",
  },
  {
    what: "a payload of payments' history",
    sql: "UPDATE payments.history SET payload = payload || '\\xf20700' WHERE escrow_no = $PNO AND version = 2",
    id: "I3",
    names: "$ESCROW version 2",
  },
  {
    what: "a command's outcome",
    sql: `DELETE FROM escrow.command_outcome WHERE escrow_no = $NO AND command_id = ${someCommand}`,
    id: "I2",
    names: "has no outcome",
  },
  {
    what: "a second outcome of one command",
    sql: `INSERT INTO escrow.command_outcome SELECT 0, command_id, fingerprint, version, rejection
      FROM escrow.command_outcome WHERE escrow_no = $NO AND command_id = ${someCommand}`,
    id: "I2",
    names: "has 2 outcomes",
  },
  {
    what: "an outcome of a command nobody sent",
    sql: "INSERT INTO escrow.command_outcome (escrow_no, command_id, fingerprint, version) VALUES ($NO, 'invented', 'x', 1)",
    id: "I2",
    names: "invented",
  },
  {
    what: "a payments command's outcome",
    sql: "DELETE FROM payments.command_outcome WHERE escrow_no = $PNO AND command_id = (SELECT min(command_id) FROM payments.command_outcome WHERE escrow_no = $PNO)",
    id: "I2",
    names: "no outcome",
  },
  {
    what: "an event that is gone from its topic",
    sql: `DELETE FROM log.message WHERE ${recordOf("escrow.events.v1")}`,
    id: "I6",
    names: "is in the history, not on escrow.events.v1",
  },
  {
    what: "a fact that is gone from its topic",
    sql: `DELETE FROM log.message WHERE ${recordOf("payments.events.v1")}`,
    id: "I6",
    names: "is in the history, not on payments.events.v1",
  },
  {
    what: "an event whose bytes changed in its topic",
    sql: `UPDATE log.message SET value = value || '\\xf20700' WHERE ${recordOf("escrow.events.v1")}`,
    id: "I3",
    names: "$ESCROW version 2 differs from the history",
  },
  {
    what: "an event repeated in a foreign partition",
    sql: `INSERT INTO log.message SELECT topic, (p + 1) % 12, 1000000, key, value, headers, at
      FROM log.message WHERE ${recordOf("escrow.events.v1")};
      UPDATE log.partition SET next = 1000001 WHERE topic = 'escrow.events.v1'`,
    id: "I3",
    names: "$ESCROW version 2 in a foreign partition",
  },
  {
    what: "an acknowledged webhook that nobody remembers",
    sql: "DELETE FROM payments.webhook WHERE event_id = (SELECT min(event_id) FROM payments.webhook)",
    id: "I6",
    names: "webhook",
  },
  {
    what: "a transfer that the provider made twice",
    sql: `INSERT INTO sandbox.object SELECT object_id || '_again', kind, operation_id, group_id, source_id,
        buyer_id, seller_id, status, amount, currency, details, next_at, next_status, events, created_at
      FROM sandbox.object WHERE kind = 'transfer' AND group_id = '$ESCROW'`,
    id: "I4",
    names: "operation",
  },
  {
    what: "a transfer that the provider never made",
    sql: "DELETE FROM sandbox.object WHERE kind = 'transfer' AND group_id = '$ESCROW'",
    id: "I4",
    names: "operation",
  },
  {
    what: "a transfer of another amount in the provider's book",
    sql: "UPDATE sandbox.object SET amount = amount + 1 WHERE kind = 'transfer' AND group_id = '$ESCROW'",
    id: "I4",
    names: "operation",
  },
  {
    what: "a column of a view",
    sql: "UPDATE projections.escrow_view SET held = held + 1 WHERE escrow_id = '$ESCROW'",
    id: "I5",
    names: "$ESCROW",
  },
  {
    what: "a view's record",
    sql: "UPDATE projections.escrow_view SET record = (SELECT record FROM projections.escrow_view WHERE escrow_id = '$OTHER') WHERE escrow_id = '$ESCROW'",
    id: "I5",
    names: "$ESCROW",
  },
  {
    what: "a view that is gone",
    sql: "DELETE FROM projections.escrow_view WHERE escrow_id = '$ESCROW'",
    id: "I5",
    names: "$ESCROW",
  },
  {
    what: "a party's balance",
    sql: "UPDATE projections.party_balance SET released = released + 1 WHERE party_id = 'bob'",
    id: "I5",
    names: "bob",
  },
  {
    what: "an outcome that queries answer with",
    sql: "UPDATE projections.command_outcome SET status = 'rejected' WHERE command_id = (SELECT min(command_id) FROM projections.command_outcome)",
    id: "I5",
    names: "command",
  },
  {
    what: "a message that has waited in an outbox for long",
    sql: "INSERT INTO escrow.outbox (shard, id, aggregatetype, aggregateid, type, payload, headers, at) VALUES (0, 'forgotten', 'escrow.events.v1', '$ESCROW', 'x', '', '{}', now() - interval '1 hour')",
    id: "I9",
    names: "forgotten",
  },
  {
    what: "a consumer that stands still",
    sql: `UPDATE escrow.consumer_cursor SET next = next - 1 WHERE consumer = 'escrow.payments-events'
      AND part = (SELECT p FROM log.message WHERE topic = 'payments.events.v1' AND key = '$ESCROW' LIMIT 1)`,
    id: "I9",
    names: "payments.events.v1/",
  },
];

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
