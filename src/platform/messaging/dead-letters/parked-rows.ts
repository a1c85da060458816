/** What the redrive reads and writes of parked messages. All of it under the lock of the key's block. */
import type { Queryable, Tx } from "../../database/database.ts";
import type { ConsumerTables } from "../consumer-tables.ts";
import type { LogRecord } from "../event-log.ts";
import { causeText, stackText } from "../parking.ts";

export interface ParkedRow {
  readonly record: LogRecord;
  readonly state: "waiting" | "dead";
  readonly attempts: number;
  readonly due: boolean;
  /** An operator asked for this try. */
  readonly requested: boolean;
  readonly firstFailedAt: Date;
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

/** Blocked keys whose first message is due, and those with nothing left behind them. */
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
    ORDER BY b.since LIMIT ${limit}`;
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

/** Undefined when another process has the key in hand, or nothing blocks it any more. */
export async function lockKey(
  tx: Tx,
  tables: ConsumerTables,
  consumer: string,
  key: string,
  limit: number,
): Promise<ParkedRow[] | undefined> {
  const [block] = await tx.sql`
    SELECT key FROM ${tables.blockedKey} WHERE consumer = ${consumer} AND key = ${key}
    FOR UPDATE SKIP LOCKED`;
  if (block === undefined) return undefined;
  // A statement of its own: only now is everything visible that was parked before we had the lock.
  const rows = await tx.sql<Selected>`
    SELECT topic, part, off, key, value, headers, appended_at, state, attempts, first_failed_at,
      requested_by, coalesce(next_at <= clock_timestamp(), true) AS due
    FROM ${tables.parked} WHERE consumer = ${consumer} AND key = ${key}
    ORDER BY topic, part, off LIMIT ${limit} FOR UPDATE`;
  return rows.map(parkedRow);
}

export async function lockMessage(
  tx: Tx,
  tables: ConsumerTables,
  consumer: string,
  { topic, partition, offset }: Extract<Unit, { kind: "message" }>,
): Promise<ParkedRow[] | undefined> {
  const rows = await tx.sql<Selected>`
    SELECT topic, part, off, key, value, headers, appended_at, state, attempts, first_failed_at,
      requested_by, coalesce(next_at <= clock_timestamp(), true) AS due
    FROM ${tables.parked}
    WHERE consumer = ${consumer} AND topic = ${topic} AND part = ${partition} AND off = ${offset}
    FOR UPDATE SKIP LOCKED`;
  return rows.length === 0 ? undefined : rows.map(parkedRow);
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
  readonly requested_by: string | null;
  readonly due: boolean;
}

function parkedRow(row: Selected): ParkedRow {
  const { topic, part: partition, off: offset, key, value, headers } = row;
  return {
    record: { topic, partition, offset, key, value, headers, appendedAt: row.appended_at },
    state: row.state,
    attempts: row.attempts,
    due: row.due,
    requested: row.requested_by !== null,
    firstFailedAt: row.first_failed_at,
  };
}

export async function deletePassed(
  tx: Tx,
  tables: ConsumerTables,
  consumer: string,
  rows: readonly ParkedRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const records = rows.map(({ record }) => record);
  await tx.sql`
    DELETE FROM ${tables.parked} p USING unnest(
      ${records.map(({ topic }) => topic)}::text[],
      ${records.map(({ partition }) => partition)}::int[],
      ${records.map(({ offset }) => offset)}::bigint[]
    ) AS m(topic, part, off)
    WHERE p.consumer = ${consumer} AND p.topic = m.topic AND p.part = m.part AND p.off = m.off`;
}

export interface FailedAgain {
  readonly error: unknown;
  readonly attempts: number;
  /** Undefined: dead. */
  readonly delayMs: number | undefined;
}

export async function keepFailed(
  tx: Tx,
  tables: ConsumerTables,
  consumer: string,
  { record, firstFailedAt }: ParkedRow,
  { error, attempts, delayMs }: FailedAgain,
): Promise<{ failedAt: Date; firstFailedAt: Date }> {
  const [row] = await tx.sql<{ failed_at: Date; first_failed_at: Date }>`
    UPDATE ${tables.parked} SET attempts = ${attempts}, cause = ${causeText(error)},
      stack = ${stackText(error)}, requested_by = NULL,
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
