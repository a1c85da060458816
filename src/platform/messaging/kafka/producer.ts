/**
 * An idempotent Kafka producer that never loses an acknowledged record. One send is in flight at a
 * time, and after any rejection it is of no more use: kafkajs takes back the sequence numbers of a
 * send whose answer it did not get, so that the broker would take the next send for a repetition,
 * acknowledge it and drop it. And an answer counts for its partition only: kafkajs tries again what one
 * broker did not answer, but never asks a broker twice, so that what has come to be led by one that had
 * answered already is not sent at all, and the send still resolves.
 */
import type { CompressionTypes, Kafka, Message, Producer, RecordMetadata } from "kafkajs";
import { refuseInsideTx } from "../../database/inside-tx.ts";
import { TerminalError, TransientError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { AppendedRecord, LogProducer, NewRecord } from "../event-log.ts";
import { partitionOf } from "../partition.ts";
import { retry } from "./client.ts";
import { compressionType, type KafkaCompression } from "./compression.ts";
import { explainSend, within } from "./errors.ts";
import type { KafkaObserver } from "./sockets.ts";

export interface KafkaProducerOptions {
  readonly kafka: Kafka;
  readonly logger: Logger;
  /** A send that has no answer by then rejects: its outcome is unknown. */
  readonly deadlineMs: number;
  readonly observer?: KafkaObserver | undefined;
  /** None unless told otherwise. */
  readonly compression?: KafkaCompression | undefined;
}

const closeMs = 2_000;

export function createKafkaProducer({
  kafka,
  logger,
  deadlineMs,
  observer,
  compression = "none",
}: KafkaProducerOptions): LogProducer {
  const { producer, sendTopic } = createClient(kafka, compressionType(compression));
  let connecting: Promise<void> | undefined;
  let inFlight: Promise<unknown> | undefined;
  let unusable = false;

  const disconnect = (): Promise<void> =>
    producer.disconnect().catch((error: unknown) => {
      logger.debug({ err: error }, "a producer was not disconnected in order");
    });
  const sendAll = async (records: readonly NewRecord[]): Promise<readonly AppendedRecord[]> => {
    connecting ??= producer.connect().catch((error: unknown) => {
      observer?.producerFailed();
      throw error;
    });
    await connecting;
    const appended = new Map<NewRecord, AppendedRecord>();
    for (const [topic, group] of Map.groupBy(records, (record) => record.topic)) {
      const answers = await sendTopic(topic, group);
      for (const [index, answer] of answers.entries()) {
        const record = group[index];
        if (record !== undefined) appended.set(record, answer);
      }
    }
    return records.flatMap((record) => appended.get(record) ?? []);
  };

  return {
    async send(records) {
      refuseInsideTx("LogProducer.send");
      if (unusable) throw new TransientError("this producer was given up after a rejection");
      if (inFlight !== undefined) throw new TerminalError("a send is in flight already");
      if (records.length === 0) return [];
      const sending = sendAll(records);
      inFlight = sending;
      try {
        return await within(deadlineMs, "a send", sending);
      } catch (error) {
        unusable = true;
        // A send still trying would connect again after a disconnect, so that comes last.
        void sending.catch(() => {}).then(disconnect);
        throw explainSend(error, records[0]?.topic ?? "");
      } finally {
        inFlight = undefined;
      }
    },
    async close() {
      if (unusable) return;
      unusable = true;
      const idle = (inFlight ?? Promise.resolve()).catch(() => {});
      await within(closeMs, "the last send", idle).catch(() => {});
      await within(closeMs, "disconnecting", disconnect()).catch(() => {});
    },
  };
}

interface Client {
  readonly producer: Producer;
  /** One produce request per broker; the answers are in the order of the records. */
  sendTopic(topic: string, records: readonly NewRecord[]): Promise<readonly AppendedRecord[]>;
}

function createClient(kafka: Kafka, compression: CompressionTypes): Client {
  // Only the partitioner is told how many partitions the topic has.
  const placed = new Map<Message, number>();
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry,
    createPartitioner:
      () =>
      ({ partitionMetadata, message }) => {
        const partition = partitionOf(String(message.key), partitionMetadata.length);
        placed.set(message, partition);
        return partition;
      },
  });
  return {
    producer,
    async sendTopic(topic, records) {
      const sentAt = Date.now();
      const messages = records.map((record) => messageOf(record, sentAt));
      placed.clear();
      try {
        const answers = await producer.send({ topic, messages, acks: -1, compression });
        const partitions = messages.map((message) => placed.get(message) ?? 0);
        assertAnswered(topic, partitions, answers);
        return locate(topic, partitions, answers, sentAt);
      } catch (error) {
        throw explainSend(error, topic);
      }
    },
  };
}

function messageOf({ key, value, headers }: NewRecord, sentAt: number): Message {
  return {
    key,
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
    headers: { ...headers },
    timestamp: String(sentAt),
  };
}

function assertAnswered(
  topic: string,
  partitions: readonly number[],
  answers: readonly RecordMetadata[],
): void {
  const answered = new Set(answers.map(({ partition }) => partition));
  const missing = partitions.find((partition) => !answered.has(partition));
  if (missing === undefined) return;
  throw new TransientError(`no answer for ${topic}/${missing}: its leader changed during the send`);
}

/** The records of a partition travel in one batch, so their offsets follow its first one. */
function locate(
  topic: string,
  partitions: readonly number[],
  answers: readonly RecordMetadata[],
  sentAt: number,
): AppendedRecord[] {
  const next = new Map(answers.map((one) => [one.partition, BigInt(one.baseOffset ?? -1)]));
  const stamps = new Map(answers.map((one) => [one.partition, Number(one.logAppendTime ?? -1)]));
  return partitions.map((partition) => {
    const offset = next.get(partition) ?? -1n;
    next.set(partition, offset + 1n);
    const stamp = stamps.get(partition) ?? -1;
    return { topic, partition, offset, appendedAt: new Date(stamp < 0 ? sentAt : stamp) };
  });
}
