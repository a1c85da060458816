/** Reads records of the log in tables, in offset order and bounded by number and by bytes. */
import type { Database } from "../../database/database.ts";
import type { LogRecord } from "../event-log.ts";
import type { LogTables } from "./names.ts";

/** Bounds one read's memory; a single larger record still comes. */
const maxReadBytes = 2_097_152;

interface MessageRow {
  readonly off: bigint;
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Record<string, string>;
  readonly at: Date;
}

export interface Slice {
  readonly topic: string;
  readonly partition: number;
  readonly from: bigint;
  readonly limit: number;
}

export async function readSlice(
  db: Database,
  tables: LogTables,
  { topic, partition, from, limit }: Slice,
): Promise<LogRecord[]> {
  // The length of a stored value is known without reading it.
  const rows = await db.sql<MessageRow>`
    SELECT off, key, value, headers, at FROM (
      SELECT *, sum(length(value)) OVER (ORDER BY off) - length(value) AS bytes_before
      FROM (SELECT off, key, value, headers, at FROM ${tables.message}
            WHERE topic = ${topic} AND p = ${partition} AND off >= ${from}
            ORDER BY off LIMIT ${limit}) front
    ) sized WHERE bytes_before < ${maxReadBytes} ORDER BY off`;
  return rows.map(({ off, key, value, headers, at }) => ({
    topic,
    partition,
    offset: off,
    key,
    value,
    headers,
    appendedAt: at,
  }));
}
