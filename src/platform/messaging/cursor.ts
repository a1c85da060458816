/**
 * Where a consumer stands in a partition: one row, locked first in every transaction of it. So all
 * transactions of a partition are serial, whoever believes to own it, and what one of them did is
 * dropped by the next. The log's own positions are for display only.
 */
import type { Database, Queryable, SqlName, Tx } from "../database/database.ts";
import { SystemicError } from "../errors.ts";
import type { Place } from "./consumer-tables.ts";
import type { PartitionEnds } from "./event-log.ts";

export interface Assignment {
  readonly next: bigint;
  /** How many assignments in a row began here although there was something to read. */
  readonly crashes: number;
  /** The message that was in hand, alone, when the process before us ended. */
  readonly suspect: bigint | undefined;
}

export interface AssignOptions {
  readonly place: Place;
  readonly ends: PartitionEnds;
  readonly clusterId: string;
  /** The log's end now: `ends` may be older than what another owner has done since. */
  readonly endNow: () => Promise<bigint>;
}

/** Throws SystemicError when the cursor does not belong to this log, or the log no longer reaches back to it. */
export async function assign(
  db: Database,
  cursor: SqlName,
  { place, ends, clusterId, endNow }: AssignOptions,
): Promise<Assignment> {
  const { consumer, topic, partition } = place;
  const [row] = await db.sql<{
    next: bigint;
    cluster_id: string;
    crashes: number;
    suspect: bigint | null;
  }>`
    INSERT INTO ${cursor} AS c (consumer, topic, part, next, cluster_id, assigned_next, crashes)
    VALUES (${consumer}, ${topic}, ${partition}, ${ends.low}, ${clusterId}, ${ends.low}, 0)
    ON CONFLICT (consumer, topic, part) DO UPDATE SET
      crashes = CASE WHEN c.next >= ${ends.end} THEN 0
                     WHEN c.assigned_next = c.next THEN c.crashes + 1
                     ELSE 1 END,
      assigned_next = c.next
    RETURNING next, cluster_id, crashes, suspect`;
  const found = row ?? { next: ends.low, cluster_id: clusterId, crashes: 0, suspect: null };
  assertSameLog(place, found.cluster_id, clusterId);
  // Read after the cursor, so that an end behind it cannot be merely out of date.
  const end = ends.end < found.next ? await endNow() : ends.end;
  if (end < found.next) {
    throw new SystemicError(
      `${nameOf(place)} ends at ${end}, but ${found.next} was reached: ${ANOTHER_LOG}`,
    );
  }
  assertNoGap(place, found.next, ends.low);
  return { next: found.next, crashes: found.crashes, suspect: found.suspect ?? undefined };
}

/** Where a batch's partition is read, and the log's first kept offset there. */
export interface CursorPlace {
  readonly partition: number;
  readonly low: bigint;
}

export interface CursorsOptions extends Omit<Place, "partition"> {
  readonly places: readonly CursorPlace[];
  readonly clusterId: string;
}

export interface LockedCursors {
  /** By partition. */
  readonly next: ReadonlyMap<number, bigint>;
  /** Some had to be made first: what was asked right behind may have been answered before the lock. */
  readonly late: boolean;
}

/**
 * The positions, locked in the order of the partitions. Waits for whoever holds one: a transaction
 * of unknown outcome has then committed or not.
 */
export async function lockCursors(
  tx: Tx,
  cursor: SqlName,
  options: CursorsOptions,
): Promise<LockedCursors> {
  const { consumer, topic, places, clusterId } = options;
  const locked = await selectForUpdate(tx, cursor, options);
  const late = locked.length < places.length;
  if (late) {
    await tx.sql`
      INSERT INTO ${cursor} (consumer, topic, part, next, cluster_id)
      SELECT ${consumer}, ${topic}, p.part, p.low, ${clusterId}
      FROM unnest(
        ${places.map(({ partition }) => partition)}::int[], ${places.map(({ low }) => low)}::bigint[]
      ) AS p(part, low)
      ON CONFLICT DO NOTHING`;
  }
  const rows = late ? await selectForUpdate(tx, cursor, options) : locked;
  for (const { part, cluster_id } of rows) {
    assertSameLog({ consumer, topic, partition: part }, cluster_id, clusterId);
  }
  const next = new Map(rows.map((row) => [row.part, row.next]));
  const missing = places.find(({ partition }) => !next.has(partition));
  if (missing !== undefined) {
    const place = { consumer, topic, partition: missing.partition };
    throw new SystemicError(`the cursor of ${nameOf(place)} cannot be kept`);
  }
  return { next, late };
}

async function selectForUpdate(
  tx: Tx,
  cursor: SqlName,
  { consumer, topic, places }: CursorsOptions,
): Promise<{ part: number; next: bigint; cluster_id: string }[]> {
  return tx.sql<{ part: number; next: bigint; cluster_id: string }>`
    SELECT part, next, cluster_id FROM ${cursor}
    WHERE consumer = ${consumer} AND topic = ${topic}
      AND part = ANY(${places.map(({ partition }) => partition)}::int[])
    ORDER BY part FOR UPDATE`;
}

export async function moveCursors(
  tx: Tx,
  cursor: SqlName,
  { consumer, topic }: Omit<Place, "partition">,
  moves: readonly { readonly partition: number; readonly next: bigint }[],
): Promise<void> {
  await tx.sql`
    UPDATE ${cursor} AS c SET next = m.next, suspect = NULL
    FROM unnest(
      ${moves.map(({ partition }) => partition)}::int[], ${moves.map(({ next }) => next)}::bigint[]
    ) AS m(part, next)
    WHERE c.consumer = ${consumer} AND c.topic = ${topic} AND c.part = m.part`;
}

/** Committed before the message is touched, so that the next process knows what ended this one. */
export async function markSuspect(
  db: Queryable,
  cursor: SqlName,
  { consumer, topic, partition }: Place,
  offset: bigint,
): Promise<void> {
  await db.sql`
    UPDATE ${cursor} SET suspect = ${offset}
    WHERE consumer = ${consumer} AND topic = ${topic} AND part = ${partition} AND next = ${offset}`;
}

/** This process lived on: what it had in hand was no cause of a crash. */
export async function acquit(
  db: Queryable,
  cursor: SqlName,
  { consumer, topic }: Omit<Place, "partition">,
  partitions: readonly number[],
): Promise<void> {
  await db.sql`
    UPDATE ${cursor} SET crashes = 0, suspect = NULL
    WHERE consumer = ${consumer} AND topic = ${topic} AND part = ANY(${partitions}::int[])
      AND (crashes > 0 OR suspect IS NOT NULL)`;
}

const ANOTHER_LOG =
  "the log is another one: restore the old topics' disks; where that cannot be done, stop all " +
  "processes and change no cursor by hand: docs/operations.md (All of Kafka is gone) goes on";

function assertSameLog(place: Place, kept: string, clusterId: string): void {
  if (kept === clusterId) return;
  throw new SystemicError(
    `the cursor of ${nameOf(place)} belongs to ${kept}, this is ${clusterId}: ${ANOTHER_LOG}`,
  );
}

export function assertNoGap(place: Place, next: bigint, low: bigint): void {
  if (low <= next) return;
  throw new SystemicError(
    `GAP: ${nameOf(place)} starts at ${low}, ${next} was to be read next: messages are gone unread`,
  );
}

export function nameOf({ consumer, topic, partition }: Place): string {
  return `${topic}/${partition} for ${consumer}`;
}
