/**
 * How large a message and a produce request may be. The log's limit counts the whole batch of a
 * partition, not one message: thirty legal messages gathered for one partition can be refused.
 */
import { TerminalError } from "../errors.ts";
import type { NewRecord } from "./event-log.ts";

/** Kafka's default message.max.bytes, rounded down. */
const logLimitBytes = 1_048_576;
/** Leaves room for the batch's own header and for growth of headers on the way. */
export const maxMessageBytes = 900 * 1024;
/** Half of the limit: sizes here are estimates and compression is not counted on. */
export const maxPartitionBytes = logLimitBytes / 2;

/** A record's size on the wire, a little rounded up. */
export function recordBytes({ key, value, headers }: NewRecord): number {
  let bytes = value.length + Buffer.byteLength(key) + 32;
  for (const [name, text] of Object.entries(headers)) {
    bytes += name.length + Buffer.byteLength(text) + 4;
  }
  return bytes;
}

/** No smaller than recordBytes, and cheap: no character takes more than three bytes. */
function atMost({ key, value, headers }: NewRecord): number {
  let bytes = value.length + 3 * key.length + 32;
  for (const name in headers) bytes += name.length + 3 * (headers[name]?.length ?? 0) + 4;
  return bytes;
}

/** Throws TerminalError for a message no log would take, before anything is written. */
export function refuseOversized(record: NewRecord): void {
  if (atMost(record) <= maxMessageBytes) return;
  const bytes = recordBytes(record);
  if (bytes > maxMessageBytes) {
    throw new TerminalError(
      `message of ${bytes} bytes for ${record.topic}; at most ${maxMessageBytes} are allowed`,
    );
  }
}
