import { expect, test } from "bun:test";
import type { Kafka, Message, Producer, ProducerConfig, RecordMetadata } from "kafkajs";
import { TransientError } from "../../errors.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { createKafkaProducer } from "./producer.ts";

const partitionCount = 4;

/** Resolves like kafkajs when the leader of a partition changes while a send is tried again. */
function kafkaThatForgets(forgotten: readonly number[]): { kafka: Kafka; sends: () => number } {
  let sends = 0;
  const producer = ({ createPartitioner }: ProducerConfig) => {
    const place = createPartitioner?.();
    const partitionMetadata = Array.from({ length: partitionCount }, (_, partitionId) => ({
      partitionErrorCode: 0,
      partitionId,
      leader: 1,
      replicas: [],
      isr: [],
    }));
    return {
      connect: async () => undefined,
      disconnect: async () => undefined,
      send: async ({ topic, messages }: { topic: string; messages: Message[] }) => {
        sends += 1;
        const led = messages.map((message) => place?.({ topic, partitionMetadata, message }) ?? 0);
        return [...new Set(led)]
          .filter((partition) => !forgotten.includes(partition))
          .map((partition): RecordMetadata => {
            return { topicName: topic, partition, errorCode: 0, baseOffset: "7" };
          });
      },
    } as unknown as Producer;
  };
  return { kafka: { producer } as unknown as Kafka, sends: () => sends };
}

const records = Array.from({ length: 40 }, (_, n) => ({
  topic: "notes.v1",
  key: `k${n}`,
  value: Buffer.from("x"),
  headers: {},
}));
const open = (kafka: Kafka) =>
  createKafkaProducer({ kafka, logger: silentLogger, deadlineMs: 5_000 });

test("a send is acknowledged by the leaders of all its partitions", async () => {
  const { kafka } = kafkaThatForgets([]);
  const appended = await open(kafka).send(records);
  expect(new Set(appended.map(({ partition }) => partition)).size).toBe(partitionCount);
  expect(appended.every(({ offset }) => offset >= 7n)).toBe(true);
});

test("what no leader answered for is not acknowledged, and the producer is given up", async () => {
  const { kafka, sends } = kafkaThatForgets([2]);
  const producer = open(kafka);
  await expect(producer.send(records)).rejects.toThrow(TransientError);
  await expect(producer.send(records)).rejects.toThrow("given up after a rejection");
  expect(sends()).toBe(1);
});
