/**
 * Appends to the log in tables, in a short transaction of its own. The counter rows are locked in
 * one order by everybody, so offsets have no gaps, commit in their order, and never deadlock.
 */
import type { Clock } from "../../clock.ts";
import type { Database, Tx } from "../../database/database.ts";
import { classifyDatabaseError } from "../../database/database-error.ts";
import { refuseInsideTx } from "../../database/inside-tx.ts";
import { TransientError } from "../../errors.ts";
import {
  type AppendedRecord,
  type LogProducer,
  type NewRecord,
  RecordRefusedError,
  TopicUnavailableError,
} from "../event-log.ts";
import { partitionOf } from "../partition.ts";
import type { LogTables } from "./names.ts";

export interface TableProducerDeps {
  readonly db: Database;
  readonly tables: LogTables;
  readonly clock: Clock;
  /** Told of what was appended, so that readers of this process need not wait for a poll. */
  readonly onAppend: (appended: readonly AppendedRecord[]) => void;
}

interface TopicShape {
  readonly partitions: number;
  readonly timestamps: "create" | "append";
}

interface Placed {
  readonly record: NewRecord;
  readonly partition: number;
  readonly stampedBySender: boolean;
}

export function createTableProducer({
  db,
  tables,
  clock,
  onAppend,
}: TableProducerDeps): LogProducer {
  const shapes = new Map<string, TopicShape>();
  return {
    async send(records) {
      refuseInsideTx("LogProducer.send");
      if (records.length === 0) return [];
      try {
        const placed = await place(records, { db, tables, shapes });
        const appended = await db.withTx((tx) => append(tx, tables, placed, clock.wall()));
        onAppend(appended);
        return appended;
      } catch (error) {
        shapes.clear();
        throw explain(error, records[0]?.topic ?? "");
      }
    },
    async close() {},
  };
}

type PlaceDeps = Pick<TableProducerDeps, "db" | "tables"> & {
  readonly shapes: Map<string, TopicShape>;
};

/** The number of partitions is read once: it only grows by an operator's hand, with the writers stopped. */
async function place(
  records: readonly NewRecord[],
  { db, tables, shapes }: PlaceDeps,
): Promise<Placed[]> {
  const names = new Set(records.map(({ topic }) => topic));
  const unknown = [...names].filter((name) => !shapes.has(name));
  if (unknown.length > 0) {
    const rows = await db.sql<TopicShape & { name: string }>`
      SELECT name, partitions, timestamps FROM ${tables.topic} WHERE name = ANY(${unknown}::text[])`;
    for (const row of rows) shapes.set(row.name, row);
  }
  return records.map((record) => {
    const shape = shapes.get(record.topic);
    if (shape === undefined) {
      throw new TopicUnavailableError(record.topic, `topic ${record.topic} does not exist`);
    }
    return {
      record,
      partition: partitionOf(record.key, shape.partitions),
      stampedBySender: shape.timestamps === "create",
    };
  });
}

async function append(
  tx: Tx,
  tables: LogTables,
  placed: readonly Placed[],
  sentAt: Date,
): Promise<AppendedRecord[]> {
  const next = await lockCounters(tx, tables, placed);
  const offsets = placed.map(({ record, partition }) => {
    const counter = `${record.topic}/${partition}`;
    const offset = next.get(counter);
    if (offset === undefined) {
      throw new TopicUnavailableError(record.topic, `partition ${counter} does not exist`);
    }
    next.set(counter, offset + 1n);
    return offset;
  });
  const times = await insert(tx, tables, { placed, offsets, sentAt });
  return placed.map(({ record, partition, stampedBySender }, index) => ({
    topic: record.topic,
    partition,
    offset: offsets[index] ?? 0n,
    appendedAt: stampedBySender ? sentAt : times,
  }));
}

async function lockCounters(
  tx: Tx,
  tables: LogTables,
  placed: readonly Placed[],
): Promise<Map<string, bigint>> {
  const wanted = new Map(placed.map((one) => [`${one.record.topic}/${one.partition}`, one]));
  const topics = [...wanted.values()].map(({ record }) => record.topic);
  const parts = [...wanted.values()].map(({ partition }) => partition);
  // Everybody locks in this order: two appenders of overlapping partitions must not deadlock.
  const rows = await tx.sql<{ topic: string; p: number; next: bigint }>`
    SELECT topic, p, next FROM ${tables.partition}
    WHERE (topic, p) IN (SELECT * FROM unnest(${topics}::text[], ${parts}::int[]))
    ORDER BY topic, p FOR UPDATE`;
  return new Map(rows.map(({ topic, p, next }) => [`${topic}/${p}`, next]));
}

interface Insertion {
  readonly placed: readonly Placed[];
  readonly offsets: readonly bigint[];
  readonly sentAt: Date;
}

/** Resolves to the log's own time, read once the locks are held: later offsets never have an earlier one. */
async function insert(
  tx: Tx,
  tables: LogTables,
  { placed, offsets, sentAt }: Insertion,
): Promise<Date> {
  const records = placed.map(({ record }) => record);
  const [row] = await tx.sql<{ at: Date }>`
    WITH log_time AS MATERIALIZED (SELECT clock_timestamp() AS at),
    new AS MATERIALIZED (
      SELECT * FROM unnest(
        ${records.map(({ topic }) => topic)}::text[],
        ${placed.map(({ partition }) => partition)}::int[],
        ${offsets}::bigint[],
        ${records.map(({ key }) => key)}::text[],
        ${records.map(({ value }) => hex(value))}::text[],
        ${records.map(({ headers }) => JSON.stringify(headers))}::text[],
        ${placed.map(({ stampedBySender }) => stampedBySender)}::boolean[]
      ) AS n (topic, p, off, key, value, headers, by_sender)
    ),
    inserted AS (
      INSERT INTO ${tables.message} (topic, p, off, key, value, headers, at)
      SELECT topic, p, off, key, decode(value, 'hex'), headers::jsonb,
             CASE WHEN by_sender THEN ${sentAt}::timestamptz ELSE log_time.at END
      FROM new, log_time
    ),
    counted AS (
      UPDATE ${tables.partition} c SET next = n.next
      FROM (SELECT topic, p, max(off) + 1 AS next FROM new GROUP BY topic, p) n
      WHERE c.topic = n.topic AND c.p = n.p
    )
    SELECT at FROM log_time`;
  return row?.at ?? sentAt;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

function explain(error: unknown, topic: string): unknown {
  if (error instanceof TopicUnavailableError || error instanceof TransientError) return error;
  switch (classifyDatabaseError(error)) {
    case "permanent":
      return new RecordRefusedError(topic, `a record of ${topic} is refused: ${String(error)}`, {
        cause: error,
      });
    case "systemic":
      return error;
    default:
      return new TransientError(`the append to ${topic} failed`, { cause: error });
  }
}
