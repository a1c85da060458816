/**
 * Up to which position rows have been waiting for long: once or twice `afterMs`. By position and not
 * by each row's own time, since of a key nothing may go before what was written before it.
 */
import type { Clock } from "#platform/clock";
import { type Database, SqlName } from "#platform/database/database";

export interface Overdue {
  upTo(): Promise<bigint>;
}

export interface OverdueOptions {
  readonly db: Database;
  readonly schema: string;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly afterMs: number;
}

export function createOverdue({ db, schema, clock, afterMs }: OverdueOptions): Overdue {
  const outbox = new SqlName(schema, "outbox");
  let highest: { readonly pos: bigint; readonly atMs: number } | undefined;
  let overdue = 0n;
  return {
    async upTo() {
      const nowMs = clock.monotonicMs();
      if (highest !== undefined && nowMs - highest.atMs < afterMs) return overdue;
      const [row] = await db.sql<{ pos: bigint | null }>`SELECT max(pos) AS pos FROM ${outbox}`;
      overdue = highest?.pos ?? 0n;
      highest = { pos: row?.pos ?? 0n, atMs: nowMs };
      return overdue;
    },
  };
}
