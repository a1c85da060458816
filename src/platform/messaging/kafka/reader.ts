/** Reads a partition of Kafka from any offset, without a group: for checks, rebuilds and looking in. */
import type { KafkaMessage } from "kafkajs";
import { logLevel } from "kafkajs";
import Cluster from "kafkajs/src/cluster/index.js";
import Batch from "kafkajs/src/consumer/batch.js";
import { createLogger } from "kafkajs/src/loggers/index.js";
import type { LogRecord } from "../event-log.ts";
import { connectionOptions, type KafkaClientOptions } from "./client.ts";
import { explain, protocolError } from "./errors.ts";
import { createSharedClient } from "./shared-client.ts";

const readCommitted = 1;
const maxAttempts = 4;
const deadlineMs = 20_000;
const maxReadBytes = 1_048_576;

export interface KafkaReader {
  /** The first records from `from` on, at most `limit`; none means the end was reached. */
  read(topic: string, partition: number, from: bigint, limit: number): Promise<LogRecord[]>;
  close(): Promise<void>;
}

interface Place {
  readonly topic: string;
  readonly partition: number;
}

type Client = InstanceType<typeof Cluster>;

interface Reading {
  readonly client: Client;
  last: Promise<unknown>;
}

export function createKafkaReader(options: KafkaClientOptions): KafkaReader {
  const shared = createSharedClient({
    deadlineMs,
    open: (): Reading => ({ client: createCluster(options), last: Promise.resolve() }),
    close: ({ client }) => client.disconnect(),
  });
  return {
    async read(topic, partition, from, limit) {
      const place = { topic, partition };
      for (let attempt = 1; ; attempt += 1) {
        try {
          const read = await shared.use("reading a topic", (reading) =>
            inTurn(reading, (client) => readOnce(client, place, from)),
          );
          return read.slice(0, limit);
        } catch (error) {
          if (attempt >= maxAttempts) throw explain(error, topic);
          await Bun.sleep(100 * 2 ** attempt);
        }
      }
    },
    close: shared.close,
  };
}

/** Side by side each read would connect the client, and all these connections but one be nobody's. */
function inTurn<T>(reading: Reading, read: (client: Client) => Promise<T>): Promise<T> {
  const mine = reading.last.then(() => read(reading.client));
  reading.last = mine.catch(() => undefined);
  return mine;
}

async function readOnce(client: Client, place: Place, from: bigint): Promise<LogRecord[]> {
  await client.connect();
  await client.addTargetTopic(place.topic);
  await client.refreshMetadataIfNecessary();
  return fetch(client, place, from);
}

function createCluster(options: KafkaClientOptions): Client {
  const { logCreator, ...rest } = connectionOptions(options);
  return new Cluster({
    sasl: undefined,
    ...rest,
    logger: createLogger({ level: logLevel.INFO, logCreator }),
    metadataMaxAge: 60_000,
    allowAutoTopicCreation: false,
    isolationLevel: readCommitted,
  });
}

async function fetch(client: Client, place: Place, from: bigint): Promise<LogRecord[]> {
  let offset = from;
  for (;;) {
    const partition = await fetchPartition(client, place, offset);
    if (partition === "below") {
      const low = await lowest(client, place);
      // Above the end there is nothing; below the start the log begins later.
      if (low <= offset) return [];
      offset = low;
      continue;
    }
    const batch = new Batch(place.topic, String(offset), partition);
    if (batch.messages.length > 0) return batch.messages.map((one) => recordOf(place, one));
    const skipped = batch.rawMessages.at(-1);
    const next = skipped === undefined ? offset : BigInt(skipped.offset) + 1n;
    // Control records and aborted transactions take offsets without being records.
    if (next <= offset || next >= BigInt(partition.highWatermark)) return [];
    offset = next;
  }
}

async function fetchPartition(client: Client, { topic, partition }: Place, offset: bigint) {
  const [nodeId] = Object.keys(client.findLeaderForPartitions(topic, [partition]));
  if (nodeId === undefined) throw new Error(`${topic} has no partition ${partition}`);
  const broker = await client.findBroker({ nodeId });
  const wanted = { partition, fetchOffset: String(offset), maxBytes: maxReadBytes };
  try {
    const { responses } = await broker.fetch({
      isolationLevel: readCommitted,
      maxWaitTime: 10,
      minBytes: 1,
      maxBytes: maxReadBytes,
      topics: [{ topic, partitions: [wanted] }],
    });
    const [fetched] = responses.flatMap(({ partitions }) => partitions);
    if (fetched === undefined) throw new Error(`no answer for ${topic}/${partition}`);
    return fetched;
  } catch (error) {
    if (protocolError(error) === "OFFSET_OUT_OF_RANGE") return "below";
    throw error;
  }
}

async function lowest(client: Client, { topic, partition }: Place): Promise<bigint> {
  const wanted = { topic, fromBeginning: true, partitions: [{ partition }] };
  const [answer] = await client.fetchTopicsOffset([wanted]);
  return BigInt(answer?.partitions[0]?.offset ?? 0);
}

export function recordOf({ topic, partition }: Place, message: KafkaMessage): LogRecord {
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    key: message.key?.toString("utf8") ?? "",
    value: message.value ?? new Uint8Array(),
    headers: headersOf(message),
    appendedAt: new Date(Number(message.timestamp)),
  };
}

/** Of a repeated header the last one counts. */
function headersOf({ headers = {} }: KafkaMessage): Record<string, string> {
  const texts = Object.entries(headers).map(([name, value]): [string, string] => {
    const last = Array.isArray(value) ? value.at(-1) : value;
    return [name, last?.toString() ?? ""];
  });
  return Object.fromEntries(texts);
}
