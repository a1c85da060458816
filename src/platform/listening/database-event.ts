/**
 * Row changes as Debezium writes them to `<server>.<schema>.<table>`: JSON, with or without the
 * schema around it. The field names are Debezium's own.
 */
import { z } from "zod";
import type { Reader } from "./listener.ts";
import { jsonReader } from "./readers.ts";

/** c: inserted, u: updated, d: deleted, r: found by the first snapshot, t: the table was emptied. */
export type RowOperation = "c" | "u" | "d" | "r" | "t";

export interface DatabaseEvent<T> {
  readonly op: RowOperation;
  /** Absent for a new row, and where the table's replica identity does not tell. */
  readonly before: T | null;
  /** Absent for a deleted row. */
  readonly after: T | null;
  readonly source: {
    readonly db: string;
    readonly schema: string;
    readonly table: string;
    /** When the change was committed, in milliseconds. */
    readonly ts_ms: number;
    /** The position in the write-ahead log. */
    readonly lsn: number | null;
  };
  /** When the connector saw it, in milliseconds. */
  readonly ts_ms: number;
}

const envelope = z.object({
  op: z.enum(["c", "u", "d", "r", "t"]),
  before: z.unknown().nullish(),
  after: z.unknown().nullish(),
  source: z.object({
    db: z.string(),
    schema: z.string(),
    table: z.string(),
    ts_ms: z.number(),
    lsn: z.number().nullish(),
  }),
  ts_ms: z.number(),
});
const wrapped = z.object({ payload: z.unknown() });

/** `row` checks and types one row; the tombstone behind a deletion says nothing. */
export function databaseEvents<T>(row: (json: unknown) => T): Reader<DatabaseEvent<T>> {
  return jsonReader((json) => {
    const bare = wrapped.safeParse(json).data?.payload ?? json;
    const { op, before, after, source, ts_ms } = envelope.parse(bare);
    const rowOf = (value: unknown) => (value === undefined || value === null ? null : row(value));
    return {
      op,
      before: rowOf(before),
      after: rowOf(after),
      source: { ...source, lsn: source.lsn ?? null },
      ts_ms,
    };
  });
}
