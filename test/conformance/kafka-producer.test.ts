/**
 * What the Kafka client does when an answer is lost after the broker wrote. Used bare it acknowledges
 * messages that it loses; used as kafka-producer.ts uses it, it does not. When the first half of a
 * pair turns red the client has become better, and our precautions can be looked at again.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { Kafka, logLevel, type Producer } from "kafkajs";
import { TransientError } from "#platform/errors";
import type { EventLog, NewRecord, TopicSettings } from "#platform/messaging/event-log";
import { createKafkaLog } from "#platform/messaging/kafka/log";
import { silentLogger } from "#platform/telemetry/logger";
import { type Fault, type KafkaProxy, startKafkaProxy } from "../support/kafka-proxy.ts";
import { record, textOf, topic } from "../support/logs.ts";

const { KAFKA_BROKERS } = process.env;
const faults: readonly Fault[] = ["cut", "swallow"];
const requestTimeoutMs = 1_000;

if (KAFKA_BROKERS !== undefined) {
  const brokers = KAFKA_BROKERS.split(",");
  let proxy: KafkaProxy;
  let direct: EventLog;
  let faulty: EventLog;
  let messages: TopicSettings;

  beforeAll(async () => {
    proxy = await startKafkaProxy(brokers[0] ?? "");
    direct = createKafkaLog({ brokers, clientId: "direct", logger: silentLogger });
    const { socketFactory } = proxy;
    faulty = createKafkaLog({
      brokers,
      clientId: "faulty",
      logger: silentLogger,
      socketFactory,
      requestTimeoutMs,
    });
  });
  beforeEach(async () => {
    proxy.onProduce = () => "pass";
    messages = topic({ partitions: 1 });
    await direct.ensureTopics([messages]);
  });
  afterAll(async () => {
    await faulty.close();
    await direct.close();
    await proxy.close();
  });

  describe("one answer is lost among ten sends at once", () => {
    for (const fault of faults) {
      test(`the bare client loses what it acknowledged (${fault})`, async () => {
        const producer = await bareProducer();
        failOnce(fault);
        const texts = Array.from({ length: 10 }, (_, n) => `m${n}`);
        const results = await Promise.allSettled(texts.map((text) => bareSend(producer, text)));
        const acknowledged = texts.filter((_, index) => results[index]?.status === "fulfilled");
        expect(proxy.lost).toBeGreaterThan(0);
        expect(missing(acknowledged, await logged()).length).toBeGreaterThan(0);
        await producer.disconnect();
      });

      test(`ours loses none (${fault})`, async () => {
        failOnce(fault);
        const sender = createSender();
        const texts = Array.from({ length: 10 }, (_, n) => `m${n}`);
        // Ten callers; one send at a time is what the port asks of them.
        await Promise.all(texts.map((text) => sender.send(text)));
        expect(proxy.lost).toBeGreaterThan(0);
        expect(firstOccurrences(await logged())).toEqual(texts);
        await sender.close();
      });
    }
  });

  describe("a send is rejected with its outcome unknown", () => {
    test("the bare client acknowledges the next one and loses it", async () => {
      const producer = await bareProducer();
      const before = proxy.lost;
      proxy.onProduce = () => "cut";
      expect(await bareSend(producer, "a").catch((error: unknown) => error)).toBeInstanceOf(Error);
      expect(proxy.lost).toBeGreaterThan(before);
      proxy.onProduce = () => "pass";
      await bareSend(producer, "b");
      const texts = await logged();
      expect(texts).toContain("a");
      expect(texts).not.toContain("b");
      await producer.disconnect();
    });

    test("ours is refused for further use, and its successor loses nothing", async () => {
      const producer = faulty.createProducer();
      proxy.onProduce = () => "cut";
      await expect(producer.send([message("a")])).rejects.toBeInstanceOf(TransientError);
      proxy.onProduce = () => "pass";
      await expect(producer.send([message("b")])).rejects.toBeInstanceOf(TransientError);
      const sender = createSender();
      await sender.send("a");
      await sender.send("b");
      const texts = await logged();
      expect(firstOccurrences(texts)).toEqual(["a", "b"]);
      expect(texts.length).toBeGreaterThan(2);
      await sender.close();
    }, 40_000);

    test("a rejection by silence comes by our own deadline, and closing does not wait", async () => {
      const { socketFactory } = proxy;
      const impatient = createKafkaLog({
        brokers,
        clientId: "impatient",
        logger: silentLogger,
        socketFactory,
        sendDeadlineMs: 700,
      });
      const producer = impatient.createProducer();
      await producer.send([message("first")]);
      proxy.onProduce = () => "swallow";
      const before = performance.now();
      await expect(producer.send([message("a")])).rejects.toBeInstanceOf(TransientError);
      await producer.close();
      expect(performance.now() - before).toBeLessThan(2_600);
      await impatient.close();
    });
  });

  async function bareProducer(): Promise<Producer> {
    const kafka = new Kafka({
      brokers,
      clientId: "bare",
      logLevel: logLevel.NOTHING,
      requestTimeout: requestTimeoutMs,
      socketFactory: proxy.socketFactory,
    });
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: () => () => 0,
      retry: { retries: 2, initialRetryTime: 50, maxRetryTime: 200 },
    });
    await producer.connect();
    return producer;
  }

  async function bareSend(producer: Producer, text: string): Promise<void> {
    await producer.send({ topic: messages.name, messages: [{ key: "k", value: text }] });
  }

  function failOnce(fault: Fault): void {
    let left = 1;
    proxy.onProduce = () => (left-- > 0 ? fault : "pass");
  }

  function message(text: string): NewRecord {
    return record(messages, "k", text);
  }

  /** What every caller of the port does: one send at a time, a new producer after a rejection, the same again. */
  function createSender(): { send(text: string): Promise<void>; close(): Promise<void> } {
    let producer = faulty.createProducer();
    let last: Promise<void> = Promise.resolve();
    const sendNow = async (text: string): Promise<void> => {
      for (;;) {
        try {
          await producer.send([message(text)]);
          return;
        } catch {
          await producer.close();
          producer = faulty.createProducer();
        }
      }
    };
    return {
      send: (text) => {
        last = last.then(() => sendNow(text));
        return last;
      },
      close: () => producer.close(),
    };
  }

  async function logged(): Promise<string[]> {
    const texts: string[] = [];
    for (;;) {
      const part = await direct.read(messages.name, 0, BigInt(texts.length), 100);
      if (part.length === 0) return texts;
      texts.push(...part.map(textOf));
    }
  }
}

function missing(wanted: readonly string[], found: readonly string[]): string[] {
  return wanted.filter((text) => !found.includes(text));
}

function firstOccurrences(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
