/** What the redrive reads and writes of parked messages. All of it under the lock of the key's block. */
import type { Queryable, Tx } from "../../database/database.ts";
import type { ConsumerTables } from "../consumer-tables.ts";
import type { LogRecord } from "../event-log.ts";
import { letterFingerprint } from "../failure.ts";
import { causeText, stackText } from "../parking.ts";

export interface ParkedRow {
  readonly record: LogRecord;
  readonly state: "waiting" | "dead";
  readonly attempts: number;
  readonly due: boolean;
  /** It was dead, and an operator asked for this try. */
  readonly oneTry: boolean;
  readonly firstFailedAt: Date;
  readonly messageType: string;
  /** Who is about to try it, if anybody; too long for it to be still so: given up. */
  readonly inHandOf: string | undefined;
  readonly givenUp: boolean;
  /** How often a process ended that had it in hand. */
  readonly crashes: number;
}

/** What is tried together: a blocked key's messages, or one message of a handler without order. */
export type Unit =
  | { readonly kind: "key"; readonly key: string }
  | {
      readonly kind: "message";
      readonly topic: string;
      readonly partition: number;
      readonly offset: bigint;
    };

/**
 * Blocked keys whose first message is due, and those with nothing left behind them. Those that wait
 * longest for their try are first: many that are put off again and again keep no other from it.
 */
export async function dueKeys(
  db: Queryable,
  tables: ConsumerTables,
  consumer: string,
  limit: number,
): Promise<Unit[]> {
  const rows = await db.sql<{ key: string }>`
    SELECT b.key FROM ${tables.blockedKey} b
    LEFT JOIN LATERAL (
      SELECT p.state, p.next_at FROM ${tables.parked} p
      WHERE p.consumer = b.consumer AND p.key = b.key
      ORDER BY p.topic, p.part, p.off LIMIT 1
    ) first ON true
    WHERE b.consumer = ${consumer} AND (first.state IS NULL
      OR (first.state = 'waiting' AND coalesce(first.next_at <= clock_timestamp(), true)))
    ORDER BY first.next_at NULLS FIRST, b.since LIMIT ${limit}`;
  return rows.map(({ key }) => ({ kind: "key", key }));
}

export async function dueMessages(
  db: Queryable,
  tables: ConsumerTables,
  consumer: string,
  limit: number,
): Promise<Unit[]> {
  const rows = await db.sql<{ topic: string; partition: number; offset: bigint }>`
    SELECT topic, part AS partition, off AS "offset" FROM ${tables.parked}
    WHERE consumer = ${consumer} AND state = 'waiting' AND next_at <= clock_timestamp()
    ORDER BY next_at LIMIT ${limit}`;
  return rows.map((row) => ({ kind: "message", ...row }));
}

export interface LockOptions {
  readonly tables: ConsumerTables;
  readonly consumer: string;
  /** Rows of a key at most. */
  readonly limit: number;
  /** So long a mark in hand holds off others. */
  readonly heldMs: number;
}

/** In the order of the log. Undefined when another process is at it, or there is nothing any more. */
export async function lockUnit(
  tx: Tx,
  options: LockOptions,
  unit: Unit,
): Promise<readonly ParkedRow[] | undefined> {
  const { tables, consumer, limit, heldMs } = options;
  const one = unit.kind === "message" ? unit : undefined;
  const key = unit.kind === "key" ? unit.key : null;
  const place = [one?.topic ?? null, one?.partition ?? null, one?.offset ?? null] as const;
  const [lock] = one
    ? await tx.sql`
        SELECT off FROM ${tables.parked} WHERE consumer = ${consumer}
          AND topic = ${one.topic} AND part = ${one.partition} AND off = ${one.offset}
        FOR UPDATE SKIP LOCKED`
    : await tx.sql`
        SELECT key FROM ${tables.blockedKey} WHERE consumer = ${consumer} AND key = ${key}
        FOR UPDATE SKIP LOCKED`;
  if (lock === undefined) return undefined;
  // A statement of its own: only now is everything visible that was parked before we had the lock.
  const rows = await tx.sql<Selected>`
    SELECT topic, part, off, key, value, headers, appended_at, state, attempts, first_failed_at,
      one_try, message_type, in_hand_of, crashes, coalesce(next_at <= clock_timestamp(), true) AS due,
      in_hand_since < clock_timestamp() - ${heldMs}::float8 * interval '1 millisecond' AS given_up
    FROM ${tables.parked} WHERE consumer = ${consumer} AND (key = ${key}::text
      OR (topic, part, off) = (${place[0]}::text, ${place[1]}::int, ${place[2]}::bigint))
    ORDER BY topic, part, off LIMIT ${limit} FOR UPDATE`;
  return rows.map(parkedRow);
}

interface Selected {
  readonly topic: string;
  readonly part: number;
  readonly off: bigint;
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Record<string, string>;
  readonly appended_at: Date;
  readonly state: "waiting" | "dead";
  readonly attempts: number;
  readonly first_failed_at: Date;
  readonly one_try: boolean;
  readonly message_type: string;
  readonly in_hand_of: string | null;
  readonly given_up: boolean | null;
  readonly crashes: number;
  readonly due: boolean;
}

function parkedRow(row: Selected): ParkedRow {
  const { topic, part: partition, off: offset, key, value, headers } = row;
  return {
    record: { topic, partition, offset, key, value, headers, appendedAt: row.appended_at },
    state: row.state,
    attempts: row.attempts,
    due: row.due,
    oneTry: row.one_try,
    firstFailedAt: row.first_failed_at,
    messageType: row.message_type,
    inHandOf: row.in_hand_of ?? undefined,
    givenUp: row.given_up ?? false,
    crashes: row.crashes,
  };
}

/** As the columns of a join. */
function placesOf(rows: readonly ParkedRow[]) {
  return {
    topics: rows.map(({ record }) => record.topic),
    parts: rows.map(({ record }) => record.partition),
    offsets: rows.map(({ record }) => record.offset),
  };
}

/** Before they are touched: should this process end, the next one knows what it had in hand. */
export async function markInHand(
  tx: Tx,
  tables: ConsumerTables,
  consumer: string,
  rows: readonly ParkedRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const { topics, parts, offsets } = placesOf(rows);
  await tx.sql`
    UPDATE ${tables.parked} p SET crashes = m.crashes, in_hand_of = m.owner,
      in_hand_since = CASE WHEN m.owner IS NOT NULL THEN clock_timestamp() END
    FROM unnest(${topics}::text[], ${parts}::int[], ${offsets}::bigint[],
      ${rows.map(({ crashes }) => crashes)}::int[],
      ${rows.map(({ inHandOf }) => inHandOf ?? null)}::text[]
    ) AS m(topic, part, off, crashes, owner)
    WHERE p.consumer = ${consumer} AND p.topic = m.topic AND p.part = m.part AND p.off = m.off`;
}

/** It lived on: what it had in hand ended nothing. */
export async function letGo(
  db: Queryable,
  tables: ConsumerTables,
  consumer: string,
  owner: string,
  rows: readonly ParkedRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const { topics, parts, offsets } = placesOf(rows);
  await db.sql`
    UPDATE ${tables.parked} p SET in_hand_of = NULL, in_hand_since = NULL
    FROM unnest(${topics}::text[], ${parts}::int[], ${offsets}::bigint[]) AS m(topic, part, off)
    WHERE p.consumer = ${consumer} AND p.topic = m.topic AND p.part = m.part AND p.off = m.off
      AND p.in_hand_of = ${owner}`;
}

export interface PutOff {
  readonly owner: string;
  /** The first of what its owner has in hand. */
  readonly row: ParkedRow;
  readonly delayMs: number;
}

/** Tried later, and not counted: nothing is the message's fault. */
export async function putOff(
  db: Queryable,
  tables: ConsumerTables,
  consumer: string,
  { owner, row: { record }, delayMs }: PutOff,
): Promise<void> {
  await db.sql`
    UPDATE ${tables.parked}
    SET next_at = clock_timestamp() + ${delayMs}::float8 * interval '1 millisecond'
    WHERE consumer = ${consumer} AND topic = ${record.topic} AND part = ${record.partition}
      AND off = ${record.offset} AND in_hand_of = ${owner}`;
}

export async function deletePassed(
  tx: Tx,
  tables: ConsumerTables,
  consumer: string,
  rows: readonly ParkedRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const { topics, parts, offsets } = placesOf(rows);
  await tx.sql`
    DELETE FROM ${tables.parked} p
    USING unnest(${topics}::text[], ${parts}::int[], ${offsets}::bigint[]) AS m(topic, part, off)
    WHERE p.consumer = ${consumer} AND p.topic = m.topic AND p.part = m.part AND p.off = m.off`;
}

export interface FailedAgain {
  readonly error: unknown;
  readonly attempts: number;
  readonly crashes: number;
  /** Undefined: dead. */
  readonly delayMs: number | undefined;
}

export async function keepFailed(
  tx: Tx,
  tables: ConsumerTables,
  consumer: string,
  { record, firstFailedAt, messageType }: ParkedRow,
  { error, attempts, crashes, delayMs }: FailedAgain,
): Promise<{ failedAt: Date; firstFailedAt: Date }> {
  const [row] = await tx.sql<{ failed_at: Date; first_failed_at: Date }>`
    UPDATE ${tables.parked} SET attempts = ${attempts}, cause = ${causeText(error)},
      stack = ${stackText(error)}, fingerprint = ${letterFingerprint(messageType, error)},
      requested_by = NULL, one_try = false, crashes = ${crashes}, in_hand_of = NULL, in_hand_since = NULL,
      state = ${delayMs === undefined ? "dead" : "waiting"},
      next_at = clock_timestamp() + ${delayMs ?? null}::float8 * interval '1 millisecond',
      failed_at = clock_timestamp()
    WHERE consumer = ${consumer} AND topic = ${record.topic} AND part = ${record.partition}
      AND off = ${record.offset}
    RETURNING failed_at, first_failed_at`;
  return { failedAt: row?.failed_at ?? firstFailedAt, firstFailedAt };
}

/** Keys behind which nothing is left: the stream may have them again. */
export async function unblockEmpty(
  tx: Tx,
  tables: ConsumerTables,
  consumer: string,
  keys: readonly string[],
): Promise<void> {
  await tx.sql`
    DELETE FROM ${tables.blockedKey} b WHERE b.consumer = ${consumer} AND b.key = ANY(${keys}::text[])
      AND NOT EXISTS (
        SELECT FROM ${tables.parked} p WHERE p.consumer = b.consumer AND p.key = b.key)`;
}
