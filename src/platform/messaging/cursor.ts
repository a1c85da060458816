/**
 * Where a consumer stands in a partition: one row, locked first in every batch's transaction. So all
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

/** Waits for whoever holds it: a transaction of unknown outcome has then committed or not. */
export async function lockCursor(
  tx: Tx,
  cursor: SqlName,
  place: Place,
  { low, clusterId }: { readonly low: bigint; readonly clusterId: string },
): Promise<bigint> {
  const locked = await selectForUpdate(tx, cursor, place);
  if (locked === undefined) {
    await tx.sql`
      INSERT INTO ${cursor} (consumer, topic, part, next, cluster_id)
      VALUES (${place.consumer}, ${place.topic}, ${place.partition}, ${low}, ${clusterId})
      ON CONFLICT DO NOTHING`;
  }
  const row = locked ?? (await selectForUpdate(tx, cursor, place));
  if (row === undefined) throw new SystemicError(`the cursor of ${nameOf(place)} cannot be kept`);
  assertSameLog(place, row.cluster_id, clusterId);
  return row.next;
}

async function selectForUpdate(
  tx: Tx,
  cursor: SqlName,
  { consumer, topic, partition }: Place,
): Promise<{ next: bigint; cluster_id: string } | undefined> {
  const [row] = await tx.sql<{ next: bigint; cluster_id: string }>`
    SELECT next, cluster_id FROM ${cursor}
    WHERE consumer = ${consumer} AND topic = ${topic} AND part = ${partition} FOR UPDATE`;
  return row;
}

export async function moveCursor(
  tx: Tx,
  cursor: SqlName,
  { consumer, topic, partition }: Place,
  next: bigint,
): Promise<void> {
  await tx.sql`
    UPDATE ${cursor} SET next = ${next}, suspect = NULL
    WHERE consumer = ${consumer} AND topic = ${topic} AND part = ${partition}`;
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
  "the log is another one: docs/operations.md (All of Kafka is gone) says what to do";

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
