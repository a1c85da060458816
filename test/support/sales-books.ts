/** What must be true of finished sales, however they got there: asked over HTTP and of the tables. */
import { expect } from "bun:test";
import { openPostgres } from "#platform/database/postgres";
import type { FreshPostgres } from "./databases.ts";
import type { Fleet } from "./fleet.ts";
import type { Market } from "./market.ts";

/** Every command that was accepted by now has succeeded. */
export async function decided(market: Market): Promise<void> {
  for (const commandId of [...market.accepted]) {
    for (;;) {
      const { body } = await market.get(`/v1/commands/${commandId}`);
      if (body.status === "succeeded") break;
      expect({ commandId, status: body.status }).toEqual({ commandId, status: "pending" });
      await Bun.sleep(100);
    }
  }
}

/** `n` sales of 10000, all RELEASED, each paid and paid out once, in our books and the provider's. */
export async function expectBooks({ url }: FreshPostgres, n: number): Promise<void> {
  const db = openPostgres({ url, max: 1 });
  try {
    expect(
      await db.sql`
        SELECT count(*)::int AS n, sum(funded)::int AS funded, sum(released)::int AS released,
          sum(fees)::int AS fees FROM escrow.escrow`,
    ).toEqual([{ n, funded: n * 10_320, released: n * 9_950, fees: n * 370 }]);
    expect(
      await db.sql`
        SELECT kind, count(*)::int AS n, count(DISTINCT operation_id)::int AS operations,
          count(DISTINCT group_id)::int AS sales, sum(amount)::int AS amount
        FROM sandbox.object WHERE kind <> 'account' GROUP BY kind ORDER BY kind`,
    ).toEqual([
      { kind: "payment", n, operations: n, sales: n, amount: n * 10_320 },
      { kind: "transfer", n, operations: n, sales: n, amount: n * 9_950 },
    ]);
    expect(
      await db.sql`
        SELECT count(*)::int AS n FROM payments.deposit`,
    ).toEqual([{ n }]);
  } finally {
    await db.close();
  }
}

/**
 * Runs the work; a failure also tells what is under way in the tables and what the fleet complained
 * of. So does taking too long: the test runner's own limit would end it without a word.
 */
export async function explained<T>(
  { url }: FreshPostgres,
  fleet: Pick<Fleet, "complaints">,
  withinMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not done in ${withinMs} ms`)), withinMs);
  try {
    return await Promise.race([work(), late.promise]);
  } catch (error) {
    const db = openPostgres({ url, max: 1 });
    const standing = await db.sql<{ what: string; row: string }>`
      SELECT 'operation' AS what, row_to_json(t)::text AS row
        FROM payments.operation t WHERE state NOT IN ('SUCCEEDED', 'WITHDRAWN')
      UNION ALL SELECT 'object', row_to_json(t)::text
        FROM payments.provider_object t WHERE sync_due_at IS NOT NULL OR kind = 'unmatched'
      UNION ALL SELECT 'delivery', row_to_json(t)::text FROM sandbox.delivery t
      UNION ALL SELECT 'parked', row_to_json(t)::text
        FROM (SELECT consumer, topic, part, off, key, state, cause FROM escrow.parked
              UNION ALL SELECT consumer, topic, part, off, key, state, cause FROM payments.parked
              UNION ALL SELECT consumer, topic, part, off, key, state, cause
              FROM projections.parked) t
      UNION ALL SELECT 'outbox', row_to_json(t)::text
        FROM (SELECT shard, id, at FROM escrow.outbox
              UNION ALL SELECT shard, id, at FROM payments.outbox) t`;
    await db.close();
    const rows = standing.map(({ what, row }) => `${what} ${row}`).join("\n");
    throw new Error(`${String(error)}\n${rows}\n${fleet.complaints()}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
