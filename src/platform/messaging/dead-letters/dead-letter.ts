/**
 * The copy of a dead letter for `<topic>.dlq`: the original key, bytes and headers, and what went
 * wrong. It always fits into the log; the row in the consumer's table is the truth.
 */
import type { LogRecord, NewRecord } from "../event-log.ts";
import { keyOf } from "../intake.ts";
import { maxMessageBytes, recordBytes } from "../record-size.ts";
import { storable, storableHeaders } from "../storable.ts";
import { deadLetterTopic } from "../topic-names.ts";

export interface DeadLetter {
  readonly consumer: string;
  readonly record: LogRecord;
  readonly error: unknown;
  readonly attempts: number;
  readonly failedAt: Date;
  /** When it failed for the first time, if earlier. */
  readonly firstFailedAt?: Date;
}

const maxErrorLength = 1_000;
const maxStackLength = 4_000;

export function deadLetterCopy(letter: DeadLetter): NewRecord {
  const { record } = letter;
  const added = failureHeaders(letter);
  const whole: NewRecord = {
    topic: deadLetterTopic(record.topic),
    key: keyOf(record),
    value: record.value,
    headers: { ...storableHeaders(record.headers), ...added },
  };
  if (recordBytes(whole) <= maxMessageBytes) return whole;
  const kept = { "message-id": storable(record.headers["message-id"] ?? "", maxErrorLength) };
  return {
    ...whole,
    key: storable(record.key, maxErrorLength),
    value: new Uint8Array(),
    headers: { ...kept, ...added, "dlq-truncated": "true" },
  };
}

function failureHeaders(letter: DeadLetter): Record<string, string> {
  const { consumer, record, error, attempts, failedAt, firstFailedAt = failedAt } = letter;
  const known = error instanceof Error ? error : new Error(String(error));
  return {
    "dlq-original-topic": record.topic,
    "dlq-original-partition": String(record.partition),
    "dlq-original-offset": String(record.offset),
    "dlq-original-timestamp": record.appendedAt.toISOString(),
    "dlq-consumer-group": consumer,
    "dlq-error-class": storable(known.name, maxErrorLength),
    "dlq-error-message": storable(known.message, maxErrorLength),
    "dlq-error-stack": storable(known.stack ?? "", maxStackLength),
    "dlq-attempts": String(attempts),
    "dlq-first-failed-at": firstFailedAt.toISOString(),
    "dlq-failed-at": failedAt.toISOString(),
  };
}
