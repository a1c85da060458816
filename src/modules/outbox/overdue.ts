/**
 * What a connector has left to this relay. The highest position is noted every `afterMs`; rows up to the
 * note before are overdue, so after `afterMs`, or twice that at most. By position, not by each row's time:
 * of a key nothing goes before what was written before it. What this relay has sent it does not remove: it
 * passes it over for `afterMs`, and sends it once more if nobody has seen it by then.
 */
import type { Clock } from "#platform/clock";
import { type Database, SqlName } from "#platform/database/database";
import type { OutboxRow } from "./rows.ts";

export interface Overdue {
  /** Rows up to here are overdue; 0 where none are. */
  upTo(): Promise<bigint>;
  /**
   * Of the rows that a read from the lowest has brought, those that are to be sent. What nobody has seen
   * yet stays in the way, so that no row is passed by: as much is under way as one read brings.
   */
  unsent(rows: readonly OutboxRow[]): readonly OutboxRow[];
  sent(rows: readonly OutboxRow[]): void;
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
  /** When each was sent, the eldest first. */
  const sentAt = new Map<bigint, number>();

  return {
    async upTo() {
      const nowMs = clock.monotonicMs();
      if (highest !== undefined && nowMs - highest.atMs < afterMs) return overdue;
      const [row] = await db.sql<{ pos: bigint | null }>`SELECT max(pos) AS pos FROM ${outbox}`;
      overdue = highest?.pos ?? 0n;
      highest = { pos: row?.pos ?? 0n, atMs: nowMs };
      return overdue;
    },
    unsent(rows) {
      const sinceMs = clock.monotonicMs() - afterMs;
      for (const [pos, atMs] of sentAt) {
        if (atMs > sinceMs) break;
        sentAt.delete(pos);
      }
      return rows.filter(({ pos }) => !sentAt.has(pos));
    },
    sent(rows) {
      const nowMs = clock.monotonicMs();
      for (const { pos } of rows) sentAt.set(pos, nowMs);
    },
  };
}
