/**
 * Knows where the partitions that this process reads begin and end: one query per tick for all of
 * them, and at once for what this process appends itself.
 */
import type { Database } from "../../database/database.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { AppendedRecord, PartitionEnds } from "../event-log.ts";
import { createWaiters, type Waiters } from "../waiters.ts";
import type { LogTables } from "./names.ts";

export interface TableWatchDeps {
  readonly db: Database;
  readonly tables: LogTables;
  readonly logger: Logger;
  readonly tickMs: number;
}

export interface TableWatch {
  /** Wakes when an end moved. */
  readonly moved: Waiters;
  /** Keeps the ends of these topics known until the returned function is called. */
  watch(topics: readonly string[]): () => void;
  ends(topic: string, partition: number): PartitionEnds | undefined;
  onAppend(appended: readonly AppendedRecord[]): void;
  /** Reads the ends now. */
  refresh(): Promise<void>;
}

export function createTableWatch({ db, tables, logger, tickMs }: TableWatchDeps): TableWatch {
  const known = new Map<string, PartitionEnds>();
  const watched = new Map<symbol, readonly string[]>();
  const moved = createWaiters();
  const ticks = createWaiters();
  let running = false;
  let failing = false;

  const refresh = async (): Promise<void> => {
    const topics = [...new Set([...watched.values()].flat())];
    const rows = await readEnds(db, tables, topics);
    if (rows.filter((row) => learn(known, row)).length > 0) moved.wake();
  };

  const run = async (): Promise<void> => {
    running = true;
    while (watched.size > 0) {
      try {
        await refresh();
        failing = false;
      } catch (error) {
        if (!failing) logger.warn({ err: error }, "the log cannot be read; trying again");
        failing = true;
      }
      await ticks.wait(failing ? Math.max(tickMs, 500) : tickMs);
    }
    running = false;
  };

  return {
    moved,
    refresh,
    watch: (topics) => {
      const reader = Symbol();
      watched.set(reader, topics);
      if (!running) void run();
      return () => {
        watched.delete(reader);
        ticks.wake();
      };
    },
    ends: (topic, partition) => known.get(`${topic}/${partition}`),
    onAppend: (appended) => {
      const news = appended.filter(({ topic, partition, offset }) => {
        const before = known.get(`${topic}/${partition}`);
        return before !== undefined && learn(known, { ...before, end: offset + 1n });
      });
      if (news.length > 0) moved.wake();
    },
  };
}

export async function readEnds(
  db: Database,
  tables: LogTables,
  topics: readonly string[],
): Promise<PartitionEnds[]> {
  return db.sql<{ topic: string; partition: number; low: bigint; end: bigint }>`
    SELECT topic, p AS partition, low, next AS "end" FROM ${tables.partition}
    WHERE topic = ANY(${topics}::text[]) ORDER BY topic, p`;
}

/** True when it is news. An answer that was overtaken by an append of this process takes nothing back. */
function learn(known: Map<string, PartitionEnds>, row: PartitionEnds): boolean {
  const id = `${row.topic}/${row.partition}`;
  const before = known.get(id);
  if (before !== undefined && row.end <= before.end && row.low <= before.low) return false;
  known.set(id, {
    ...row,
    end: before !== undefined && before.end > row.end ? before.end : row.end,
    low: before !== undefined && before.low > row.low ? before.low : row.low,
  });
  return true;
}
