/**
 * Sets messages aside in the transaction of their batch. The row is the dead letter. A key with a
 * row here is blocked: whatever comes later of it is set aside behind, so that order survives.
 */
import type { SqlName, Tx } from "../database/database.ts";
import type { ConsumerTables } from "./consumer-tables.ts";
import { deadLetterCopy } from "./dead-letters/dead-letter.ts";
import type { LogRecord, NewRecord } from "./event-log.ts";
import { describe, letterFingerprint } from "./failure.ts";
import { keyOf } from "./intake.ts";
import { storable, storableHeaders } from "./storable.ts";

export interface SetAside {
  readonly record: LogRecord;
  readonly messageId: string;
  readonly messageType: string;
  /** failed: to be tried again beside the stream. dead: not before a person says so. */
  readonly reason: "failed" | "dead" | "behind";
  readonly error?: unknown;
}

/** A parked message waits this long after its n-th failure; after the last it is dead. */
export const defaultRedriveDelaysMs: readonly number[] = [2_000, 8_000, 30_000, 120_000];
const maxCauseLength = 2_000;
const maxStackLength = 4_000;

/** Waits for a redrive that has one of the keys in hand; what it did is seen, none can begin before our end. */
export async function lockBlockedKeys(
  tx: Tx,
  blockedKey: SqlName,
  consumer: string,
  keys: readonly string[],
): Promise<string[]> {
  const rows = await tx.sql<{ key: string }>`
    SELECT key FROM ${blockedKey} WHERE consumer = ${consumer} AND key = ANY(${keys}::text[])
    ORDER BY key FOR SHARE`;
  return rows.map(({ key }) => key);
}

export interface ParkOptions {
  readonly consumer: string;
  readonly ordered: boolean;
  readonly messages: readonly SetAside[];
  /** The first wait of a failed one. */
  readonly firstDelayMs: number;
}

/** Writes the rows and blocks the keys; resolves to the copies of the dead for the outbox. */
export async function park(
  tx: Tx,
  tables: ConsumerTables,
  { consumer, ordered, messages, firstDelayMs }: ParkOptions,
): Promise<NewRecord[]> {
  if (messages.length === 0) return [];
  if (ordered) {
    const failing = messages.filter(({ reason }) => reason !== "behind");
    const keys = [...new Set(failing.map(({ record }) => keyOf(record)))].sort();
    await tx.sql`
      INSERT INTO ${tables.blockedKey} (consumer, key)
      SELECT ${consumer}, key FROM unnest(${keys}::text[]) AS k(key) ON CONFLICT DO NOTHING`;
  }
  const [at] = await insertRows(tx, tables.parked, consumer, messages, firstDelayMs);
  const dead = messages.filter(({ reason }) => reason === "dead");
  const failedAt = at?.now ?? new Date(0);
  return dead.map(({ record, error }) =>
    deadLetterCopy({ consumer, record, error, attempts: 1, failedAt }),
  );
}

/** The same offset may be read again after a reset; what is parked stays as it is. */
async function insertRows(
  tx: Tx,
  parked: SqlName,
  consumer: string,
  messages: readonly SetAside[],
  firstDelayMs: number,
): Promise<{ now: Date }[]> {
  const delays = messages.map(({ reason }) => (reason === "failed" ? String(firstDelayMs) : null));
  return tx.sql<{ now: Date }>`
    WITH written AS (
      INSERT INTO ${parked} (consumer, topic, part, off, key, message_id, message_type, value,
        headers, appended_at, state, attempts, next_at, cause, stack, fingerprint)
      SELECT ${consumer}, m.topic, m.part, m.off, m.key, m.id, m.type,
        decode(m.value, 'hex'), m.headers::jsonb, m.at, m.state, m.attempts,
        clock_timestamp() + m.delay * interval '1 millisecond', m.cause, m.stack, m.fingerprint
      FROM unnest(
        ${messages.map(({ record }) => record.topic)}::text[],
        ${messages.map(({ record }) => record.partition)}::int[],
        ${messages.map(({ record }) => record.offset)}::bigint[],
        ${messages.map(({ record }) => keyOf(record))}::text[],
        ${messages.map(({ messageId }) => storable(messageId))}::text[],
        ${messages.map(({ messageType }) => storable(messageType))}::text[],
        ${messages.map(({ record }) => Buffer.from(record.value).toString("hex"))}::text[],
        ${messages.map(({ record }) => JSON.stringify(storableHeaders(record.headers)))}::text[],
        ${messages.map(({ record }) => record.appendedAt)}::timestamptz[],
        ${messages.map(({ reason }) => (reason === "dead" ? "dead" : "waiting"))}::text[],
        ${messages.map(({ reason }) => (reason === "behind" ? 0 : 1))}::int[],
        ${delays}::float8[],
        ${messages.map(causeOf)}::text[],
        ${messages.map(({ error }) => stackText(error))}::text[],
        ${messages.map(({ messageType, error }) => letterFingerprint(messageType, error))}::text[]
      ) AS m(topic, part, off, key, id, type, value, headers, at, state, attempts, delay, cause, stack,
        fingerprint)
      ON CONFLICT DO NOTHING
    )
    SELECT clock_timestamp() AS now`;
}

function causeOf({ reason, error }: SetAside): string {
  return reason === "behind" ? "waits behind an earlier message of its key" : causeText(error);
}

/** Where it was thrown; "" where nothing was. */
export function stackText(error: unknown): string {
  return error instanceof Error ? storable(error.stack ?? "", maxStackLength) : "";
}

export function causeText(error: unknown): string {
  return storable(describe(error), maxCauseLength);
}
