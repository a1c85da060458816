/**
 * Puts messages into a module's outbox, inside the transaction that caused them. Order holds
 * because this is the transaction's last write: every position is drawn from the sequence after
 * all locks of its key are held, so positions of one key rise as its transactions commit.
 */
import type { Clock } from "../clock.ts";
import { type Queryable, SqlName, type Tx } from "../database/database.ts";
import { packBytes } from "../database/packed-bytes.ts";
import { SystemicError, TerminalError } from "../errors.ts";
import { createSignal } from "../signal.ts";
import { encode } from "./codec.ts";
import type { NewRecord } from "./event-log.ts";
import type { Outgoing } from "./handler.ts";
import { shardOf } from "./partition.ts";
import { refuseOversized } from "./record-size.ts";

export interface Outbox {
  readonly schema: string;
  /**
   * One statement, the transaction's last write. Throws TerminalError, before writing, for a topic
   * whose writer is another module and for a message larger than a log takes.
   */
  enqueue(tx: Tx, messages: readonly Outgoing[]): Promise<void>;
  /** The same for records that are encoded already, such as the copy of a dead letter. */
  enqueueRaw(tx: Tx, records: readonly NewRecord[]): Promise<void>;
  /** After commit: tells the relay of this process not to wait for its next poll. */
  wake(): void;
  onWake(listener: () => void): () => void;
}

export interface OutboxOptions {
  readonly schema: string;
  /** The module's name in the catalogue of topics. */
  readonly writer: string;
  /** Names this program in every message's `producer` header. */
  readonly producerName: string;
  readonly clock: Clock;
}

export function createOutbox({ schema, writer, producerName, clock }: OutboxOptions): Outbox {
  const table = new SqlName(schema, "outbox");
  const signal = createSignal();
  const enqueueRaw = async (tx: Tx, records: readonly NewRecord[]): Promise<void> => {
    for (const record of records) refuseOversized(record);
    if (records.length > 0) await insert(tx, table, records);
  };
  return {
    schema,
    enqueue: async (tx, messages) => {
      for (const { topic } of messages) {
        if (topic.writer !== undefined && topic.writer !== writer) {
          throw new TerminalError(`${writer} may not write ${topic.name}: ${topic.writer} does`);
        }
      }
      const now = clock.now();
      await enqueueRaw(
        tx,
        messages.map((message) => encode(message, producerName, now)),
      );
    },
    enqueueRaw,
    wake: signal.notify,
    onWake: signal.onNotify,
  };
}

/** The subquery is sorted before the column default draws the position: array order is outbox order. */
async function insert(tx: Tx, table: SqlName, records: readonly NewRecord[]): Promise<void> {
  const headers = records.map((record) => record.headers);
  const payloads = packBytes(records.map(({ value }) => value));
  const texts = packBytes(headers.map((header) => Buffer.from(JSON.stringify(header))));
  await tx.sql`
    INSERT INTO ${table} (shard, id, aggregatetype, aggregateid, type, payload, headers)
    SELECT m.shard, m.id, m.topic, m.key, m.type,
      substring(${payloads.bytes}::bytea FROM m.at FOR m.size),
      convert_from(substring(${texts.bytes}::bytea FROM m.text_at FOR m.text_size), 'UTF8')::jsonb
    FROM unnest(
      ${records.map(({ key }) => shardOf(key))}::smallint[],
      ${headers.map((header) => header["message-id"] ?? "")}::text[],
      ${records.map(({ topic }) => topic)}::text[],
      ${records.map(({ key }) => key)}::text[],
      ${headers.map((header) => header["message-type"] ?? "")}::text[],
      ${payloads.at}::int[], ${payloads.sizes}::int[], ${texts.at}::int[], ${texts.sizes}::int[]
    ) WITH ORDINALITY AS m(shard, id, topic, key, type, at, size, text_at, text_size, n)
    ORDER BY m.n`;
}

/**
 * At start. A sequence with a cache hands each session a range of its own, and two transactions of
 * one key then get positions against the order of their commits. Throws SystemicError.
 */
export async function assertOutboxSequence(db: Queryable, schema: string): Promise<void> {
  const sequence = new SqlName(schema, "outbox_pos");
  const [found] = await db.sql<{ cache: bigint; step: bigint; cycle: boolean }>`
    SELECT seqcache AS cache, seqincrement AS step, seqcycle AS cycle
    FROM pg_sequence WHERE seqrelid = to_regclass(${sequence.text}::text)`;
  if (found === undefined) throw new SystemicError(`there is no sequence ${sequence.text}`);
  if (found.cache !== 1n || found.step !== 1n || found.cycle) {
    throw new SystemicError(`${sequence.text} must have CACHE 1, INCREMENT 1 and NO CYCLE`);
  }
}
