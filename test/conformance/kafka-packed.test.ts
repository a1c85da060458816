/**
 * Batches that others packed: by Java's own writers, since a broker packs anew what comes to a topic
 * with a `compression.type` of its own; and one that nobody can unpack.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { CompressionCodecs, CompressionTypes, Kafka, logLevel } from "kafkajs";
import type { EventLog, TopicSettings } from "#platform/messaging/event-log";
import { type Codec, createCodec, registerCodecs } from "#platform/messaging/kafka/compression";
import { createKafkaLog } from "#platform/messaging/kafka/log";
import { type Logger, silentLogger } from "#platform/telemetry/logger";
import {
  eventually,
  record,
  subscriptionOf,
  take,
  textOf,
  topic,
  unique,
} from "../support/logs.ts";

const { KAFKA_BROKERS } = process.env;

if (KAFKA_BROKERS !== undefined) {
  const brokers = KAFKA_BROKERS.split(",");
  const client = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const opened: EventLog[] = [];

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
  });

  function opening(logger: Logger = silentLogger): EventLog {
    const log = createKafkaLog({ brokers, clientId: unique("test"), logger });
    opened.push(log);
    return log;
  }

  async function createTopic(packedAs: string): Promise<TopicSettings> {
    const orders = topic({ partitions: 1 });
    const admin = client.admin();
    await admin.connect();
    const configEntries = [{ name: "compression.type", value: packedAs }];
    const made = { topic: orders.name, numPartitions: 1, replicationFactor: 1, configEntries };
    await admin.createTopics({ topics: [made], waitForLeaders: false });
    await admin.disconnect();
    const log = opening();
    await eventually(async () => (await log.ends([orders.name]).catch(() => [])).length === 1);
    return orders;
  }

  describe.each(["gzip", "snappy", "lz4", "zstd"])("a topic that is packed with %s", (packedAs) => {
    test("is read whole, by offset and by a group, and both go on", async () => {
      const orders = await createTopic(packedAs);
      const log = opening();
      const producer = log.createProducer();
      const texts = Array.from({ length: 400 }, (_, n) => `${n} ${"the same again ".repeat(30)}`);
      await producer.send(texts.map((text) => record(orders, "k", text)));
      expect((await log.read(orders.name, 0, 0n, 500)).map(textOf)).toEqual(texts);
      const subscription = log.subscribe(subscriptionOf(orders));
      expect((await take(subscription, 400)).map(textOf)).toEqual(texts);

      await producer.send([record(orders, "k", "one more")]);
      await producer.close();
      expect((await take(subscription, 1)).map(textOf)).toEqual(["one more"]);
      expect((await log.read(orders.name, 0, 400n, 500)).map(textOf)).toEqual(["one more"]);
      expect(subscription.state()).toBe("joined");
    }, 60_000);
  });

  test("a batch above the bound ends its readers loudly: one alarm that says what, where and what to do", async () => {
    const orders = await createTopic("producer");
    await sendAboveBound(orders.name);
    await expectAlarm(orders, "a batch packed with zstd cannot be unpacked: ");
  }, 90_000);

  test("a batch that unpacks to what are no records ends its readers as loudly", async () => {
    const orders = await createTopic("zstd");
    const producer = opening().createProducer();
    await producer.send([record(orders, "k", "one")]);
    await producer.close();
    const wanted =
      "a batch packed with zstd cannot be unpacked: a record in it is malformed at byte ";
    await expectAlarm(orders, wanted, () => {
      const codecs = CompressionCodecs as unknown as Record<number, () => Codec>;
      const ours = createCodec(CompressionTypes.ZSTD);
      // As damage that no checksum of the packing shows.
      const spoilt = (bytes: Buffer) => zstdCompressSync(zstdDecompressSync(bytes).subarray(0, -1));
      const decompress = (bytes: Buffer) => ours.decompress(spoilt(bytes));
      codecs[CompressionTypes.ZSTD] = () => ({ ...ours, decompress });
    }).finally(registerCodecs);
  }, 90_000);

  /** To its readers by offset and by a group, with what is to be done. */
  async function expectAlarm(
    orders: TopicSettings,
    wanted: string,
    spoil: () => void = () => undefined,
  ): Promise<void> {
    const lines: Line[] = [];
    const log = opening(loggerTo(lines));
    spoil();
    await expect(log.read(orders.name, 0, 0n, 1)).rejects.toThrow(wanted);

    const options = subscriptionOf(orders);
    const subscription = log.subscribe(options);
    await eventually(() => subscription.state() === "lost", 60_000);
    const alarms = lines.filter(({ alarm }) => alarm !== undefined);
    const says = alarms[0]?.message ?? "";
    expect(says).toContain(wanted);
    expect(alarms).toMatchObject([
      {
        alarm: "batch-unreadable",
        group: options.group,
        topics: [orders.name],
        fetching: [`${orders.name}/0 from 0 on`],
      },
    ]);
    const [, page, anchor] = /(docs\/\w+\.md)#([\w-]+)$/.exec(says) ?? [];
    const headings = (await Bun.file(page ?? "").text()).matchAll(/^#+ (.+)$/gm);
    const anchors = [...headings].map(([, title = ""]) => title.toLowerCase().replaceAll(" ", "-"));
    expect(anchors).toContain(anchor ?? "");
  }

  interface Line {
    readonly message: string;
    readonly alarm?: string;
  }

  function loggerTo(lines: Line[]): Logger {
    const error = (fields: object, message: string): void =>
      void lines.push({ ...fields, message });
    const logger: Logger = { ...silentLogger, error, child: () => logger };
    return logger;
  }

  /** A broker looks at each record of a batch, but keeps none of them: such a one passes. */
  async function sendAboveBound(name: string): Promise<void> {
    const size = 257 * 1024 * 1024;
    // No attributes, no time and no offset beyond the batch's, no key; the value; no headers.
    const before = Buffer.from([0, 0, 0, 1, ...varint(size)]);
    const body = Buffer.concat([before, Buffer.alloc(size), Buffer.from([0])]);
    const packed = zstdCompressSync(Buffer.concat([Buffer.from(varint(body.length)), body]));
    const codecs = CompressionCodecs as unknown as Record<number, () => object>;
    codecs[CompressionTypes.ZSTD] = () => ({ compress: async () => packed });
    const producer = client.producer();
    try {
      await producer.connect();
      const compression = CompressionTypes.ZSTD;
      await producer.send({ topic: name, compression, messages: [{ value: "in its place" }] });
    } finally {
      await producer.disconnect();
      registerCodecs();
    }
  }

  /** As Kafka writes a positive number. */
  function varint(value: number): number[] {
    const bytes: number[] = [];
    for (let left = 2 * value; ; left = Math.floor(left / 128)) {
      if (left < 128) return [...bytes, left];
      bytes.push((left % 128) + 128);
    }
  }
}
