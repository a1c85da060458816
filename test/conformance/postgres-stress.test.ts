/**
 * Backends are killed at random under load for some seconds: no half transaction, nothing
 * acknowledged and lost, nothing that hangs, no stray error in the process.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Database, Tx } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import { type FreshPostgres, freshPostgres, onServer } from "../support/databases.ts";

const RUN_MS = 15_000;
const HANGS_MS = 6500;
const TIMEOUT_MS = 60_000;
const VICTIM = `victim-${process.pid}`;
let fresh: FreshPostgres;
let db: Database;

beforeAll(async () => {
  fresh = await freshPostgres();
  db = openPostgres({ url: fresh.url, max: 4, applicationName: VICTIM });
  await db.script("CREATE TABLE part (tx uuid, n int)");
}, TIMEOUT_MS);
afterAll(async () => {
  await db.close();
  await fresh.drop();
}, TIMEOUT_MS);

const tally = { done: 0, failed: 0, read: 0, hung: 0, killed: 0 };
const acknowledged: string[] = [];

/** True when it worked; a rejection is the killer's doing, silence is ours. */
async function settled(work: Promise<unknown>): Promise<boolean> {
  const ending = work.then(
    () => "done",
    () => "failed",
  );
  const outcome = await Promise.race([ending, Bun.sleep(HANGS_MS).then(() => "hung")]);
  if (outcome === "hung") tally.hung += 1;
  return outcome === "done";
}

async function writeFour(tx: Tx, id: string): Promise<void> {
  await tx.sql`INSERT INTO part VALUES (${id}, 1)`;
  await Bun.sleep(Math.random() * 8);
  await Promise.all([
    tx.sql`INSERT INTO part VALUES (${id}, 2)`,
    tx.sql`INSERT INTO part VALUES (${id}, 3)`,
  ]);
  if (Math.random() < 0.05) Bun.sleepSync(60);
  await tx.sql`INSERT INTO part VALUES (${id}, 4)`;
}

async function writer(until: number): Promise<void> {
  while (performance.now() < until) {
    const id = crypto.randomUUID();
    if (await settled(db.withTx((tx) => writeFour(tx, id)))) {
      tally.done += 1;
      acknowledged.push(id);
    } else tally.failed += 1;
    await Bun.sleep(1);
  }
}

async function reader(until: number): Promise<void> {
  while (performance.now() < until) {
    if (await settled(db.sql`SELECT 1`)) tally.read += 1;
    await Bun.sleep(2);
  }
}

async function killer(server: Database, until: number): Promise<void> {
  while (performance.now() < until) {
    await Bun.sleep(40);
    const killed = await server.sql`
      SELECT pg_terminate_backend(pid) FROM (
        SELECT pid FROM pg_stat_activity WHERE application_name = ${VICTIM} ORDER BY random() LIMIT 1
      ) AS victim`;
    tally.killed += killed.length;
  }
}

test(
  "hundreds of killed backends leave whole transactions and a working pool",
  async () => {
    const until = performance.now() + RUN_MS;
    await onServer((server) =>
      Promise.all([
        killer(server, until),
        ...Array.from({ length: 8 }, () => writer(until)),
        ...Array.from({ length: 4 }, () => reader(until)),
      ]),
    );
    const parts = await db.sql<{ tx: string; n: bigint }>`
      SELECT tx, count(*) AS n FROM part GROUP BY tx`;
    const there = new Set(parts.map(({ tx }) => tx));
    expect(parts.filter(({ n }) => n !== 4n)).toEqual([]);
    expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
    expect(tally.hung).toBe(0);
    // The run was worth something: backends died under it and work went on all the time.
    expect(tally.killed).toBeGreaterThan(RUN_MS / 200);
    expect(tally.failed).toBeGreaterThan(0);
    expect(tally.done).toBeGreaterThan(tally.killed);
    expect(tally.read).toBeGreaterThan(tally.killed);
  },
  TIMEOUT_MS,
);
