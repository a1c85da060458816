/**
 * Removes outbox rows that somebody else publishes: a connector that reads the write-ahead log. A row
 * goes only once the slot of that very reader has confirmed a position behind it, and the reader has
 * lived on for longer than a send may take; whatever happens to the reader or its slot before, what
 * was not published is still in the table.
 */
import type { Clock } from "#platform/clock";
import { type Database, SqlName } from "#platform/database/database";
import { SystemicError } from "#platform/errors";
import { assertOutboxSequence } from "#platform/messaging/outbox";
import type { Worker } from "#platform/module";
import type { PublishMeasures } from "./relay.ts";

export interface ConfirmedRowsOptions {
  readonly db: Database;
  readonly schema: string;
  /** The replication slot's name; there may be more, whose names go on with `_`: the slowest counts. */
  readonly slot: string;
  readonly clock: Pick<Clock, "monotonicMs">;
  /**
   * The connector confirms what was acknowledged last, which may be behind a message that is still
   * on its way. Longer than its `delivery.timeout.ms`: after that it is acknowledged, or the reader
   * is gone.
   */
  readonly graceMs: number;
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
  /** Since when the slots have been seen beyond it. */
  passedMs?: number;
}

interface Slots {
  readonly readers: string | null;
  readonly reading: boolean | null;
  readonly passed: boolean | null;
}

export function createConfirmedRows(options: ConfirmedRowsOptions): Worker {
  const { db, schema, slot, clock, graceMs, idleMs = 1_000, batchSize = 200_000 } = options;
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
    mark.passedMs ??= clock.monotonicMs();
    if (clock.monotonicMs() - mark.passedMs < graceMs) return "idle";
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
    start: async () => {
      await assertOutboxSequence(db, schema);
      await assertNothingHeld(db, schema);
    },
    step,
    problem: () =>
      aloneSince !== undefined && clock.monotonicMs() - aloneSince > patienceMs
        ? `nothing reads the replication slot ${slot}: is the connector running?`
        : undefined,
  };
}

/** The relay keeps back what stands behind a held row; a connector knows nothing of it. */
async function assertNothingHeld(db: Database, schema: string): Promise<void> {
  const held = await db.sql`SELECT 1 FROM ${new SqlName(schema, "outbox_held")} LIMIT 1`;
  if (held.length === 0) return;
  throw new SystemicError(
    `rows of ${schema} are held back (app outbox list): retry them with the relay before a connector publishes`,
  );
}
