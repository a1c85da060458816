/**
 * Removes outbox rows that somebody else publishes: a connector that reads the write-ahead log. A row
 * goes only once the slot of that very reader has confirmed a position behind it; whatever happens to
 * the reader or its slot, what was not published is still in the table.
 */
import type { Clock } from "#platform/clock";
import { type Database, SqlName } from "#platform/database";
import { assertOutboxSequence } from "#platform/messaging/outbox";
import type { Worker } from "#platform/module";
import type { PublishMeasures } from "./relay.ts";

export interface ConfirmedRowsOptions {
  readonly db: Database;
  readonly schema: string;
  /** The replication slot's name; there may be more, whose names go on with `_`: the slowest counts. */
  readonly slot: string;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly measure?: Pick<PublishMeasures, "published"> | undefined;
  readonly idleMs?: number;
  /** Rows in hand at a time. */
  readonly batchSize?: number;
}

/** A connector that is restarted or moved to another machine is back by then. */
const patienceMs = 10_000;

/** Rows that were committed before `behind` was the log's end. */
interface Mark {
  readonly positions: readonly bigint[];
  readonly behind: string;
  readonly readers: string;
}

interface Slots {
  readonly readers: string | null;
  readonly reading: boolean | null;
  readonly passed: boolean | null;
}

export function createConfirmedRows(options: ConfirmedRowsOptions): Worker {
  const { db, schema, slot, clock, idleMs = 1_000, batchSize = 5_000 } = options;
  const outbox = new SqlName(schema, "outbox");
  let mark: Mark | undefined;
  let aloneSince: number | undefined;

  /**
   * Who reads the slots, and whether all have passed a position. A slot's reader is a server process:
   * a slot that was made anew, or moved by hand, has another one. Equal is not passed: a new slot
   * begins at the log's end, with rows before it that only its reader's first snapshot sees.
   */
  async function look(behind: string | undefined): Promise<Slots> {
    const [slots] = await db.sql<Slots>`
      SELECT string_agg(slot_name || ' ' || active_pid, ', ' ORDER BY slot_name) AS readers,
             bool_and(active_pid IS NOT NULL) AS reading,
             bool_and(confirmed_flush_lsn > ${behind ?? null}::text::pg_lsn) AS passed
      FROM pg_replication_slots
      WHERE slot_type = 'logical' AND database = current_database()
        AND (slot_name = ${slot} OR starts_with(slot_name, ${slot} || '_'))`;
    return slots ?? { readers: null, reading: null, passed: null };
  }

  /** The log's end is read by a later statement: whatever the first one saw was committed before it. */
  async function take(readers: string): Promise<Mark | undefined> {
    const rows = await db.sql<{ pos: bigint }>`
      SELECT pos FROM ${outbox} ORDER BY pos LIMIT ${batchSize}::int`;
    const [end] = await db.sql<{ behind: string }>`
      SELECT pg_current_wal_insert_lsn()::text AS behind`;
    if (rows.length === 0 || end === undefined) return undefined;
    return { positions: rows.map(({ pos }) => pos), behind: end.behind, readers };
  }

  async function step(): Promise<"worked" | "idle"> {
    const { readers, reading, passed } = await look(mark?.behind);
    if (readers === null || reading !== true) {
      aloneSince ??= clock.monotonicMs();
      mark = undefined;
      return "idle";
    }
    aloneSince = undefined;
    if (mark === undefined || mark.readers !== readers) {
      mark = await take(readers);
      return "idle";
    }
    if (passed !== true) return "idle";
    const { positions } = mark;
    mark = undefined;
    const removed = await db.sql`
      DELETE FROM ${outbox} WHERE pos = ANY(${positions}::bigint[]) RETURNING pos`;
    options.measure?.published(schema, removed.length);
    return "worked";
  }

  return {
    name: `outbox.${schema}.confirmed`,
    idleMs,
    start: () => assertOutboxSequence(db, schema),
    step,
    problem: () =>
      aloneSince !== undefined && clock.monotonicMs() - aloneSince > patienceMs
        ? `nothing reads the replication slot ${slot}: is the connector running?`
        : undefined,
  };
}
