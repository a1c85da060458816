/** Statements on a database where others book while one is read: all of it stands in a page or nothing. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Database, SqlIdentifier, SqlValue, Tx } from "#platform/database/database";
import { migrate } from "#platform/database/migrate";
import { loadMigrations } from "#platform/database/migration-files";
import { openPostgres } from "#platform/database/postgres";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { createPaymentsWorld, type PaymentsWorld, transfer } from "../support/payments.ts";
import { createDeals } from "../support/payments-deals.ts";

let postgres: FreshPostgres;
let db: Database;
let world: PaymentsWorld;
/** The next transaction waits here after its first statement. */
let pause: { readonly reached: () => void; readonly over: Promise<void> } | undefined;

beforeAll(async () => {
  postgres = await freshPostgres();
  db = pausing(openPostgres({ url: postgres.url, max: 4 }));
  const { modules, templates } = await loadMigrations();
  const of = (name: string) => ({ name, schema: name, migrations: modules.get(name) ?? [] });
  await migrate(db, [{ ...of("payments"), templates }, of("keyring")]);
  world = createPaymentsWorld(db);
}, 60_000);
afterAll(async () => {
  await db?.close();
  await postgres?.drop();
}, 60_000);

function pausing(real: Database): Database {
  return {
    ...real,
    withTx: (work, options) => {
      const here = pause;
      pause = undefined;
      if (here === undefined) return real.withTx(work, options);
      return real.withTx((tx) => work(pausedOnce(tx, here)), options);
    },
  };
}

type Values = (SqlValue | SqlIdentifier)[];

function pausedOnce(tx: Tx, { reached, over }: NonNullable<typeof pause>): Tx {
  return {
    ...tx,
    sql: async <R extends object>(text: TemplateStringsArray, ...values: Values) => {
      const rows = await tx.sql<R>(text, ...values);
      reached();
      await over;
      return rows;
    },
  };
}

interface Statement {
  readonly opening: readonly { account: string; balance: string }[];
  readonly lines: readonly { account: string; amount: string }[];
  readonly closing: readonly { account: string; balance: string }[];
}

function sums(rows: readonly { account: string; balance?: string; amount?: string }[]) {
  const found = new Map<string, bigint>();
  for (const { account, balance, amount } of rows) {
    found.set(account, (found.get(account) ?? 0n) + BigInt(balance ?? amount ?? "0"));
  }
  return Object.fromEntries([...found].filter(([, amount]) => amount !== 0n));
}

test("G9: what is booked while a statement is read stands in none of its page", async () => {
  const escrowId = await createDeals(world, db).funded();
  const reached = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  pause = { reached: reached.resolve, over: over.promise };
  const until = new Date(world.clock.now().getTime() + 3_600_000).toISOString();
  const who = { as: "audrey", roles: ["auditor"] };
  const path = `/v1/statements?escrow=${escrowId}&until=${until}`;
  const asked = world.call("GET", path, who);
  await reached.promise;
  await world.handle(transfer(escrowId, "rel-1"));
  await world.settle();
  over.resolve();
  const { opening, lines, closing } = (await (await asked).json()) as Statement;
  expect(opening).toEqual([]);
  expect(sums(closing)).toEqual(sums(lines));
  expect(sums(lines)[`escrow:${escrowId}:held`]).toBe(-10_000n);
  const later = (await (await world.call("GET", path, who)).json()) as Statement;
  expect(sums(later.closing)[`escrow:${escrowId}:held`]).toBeUndefined();
}, 60_000);
