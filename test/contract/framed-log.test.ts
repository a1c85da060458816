/** Values bear a schema registry's frame on the log and nowhere inside this program. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TransientError } from "#platform/errors";
import { decode } from "#platform/messaging/codec";
import type { EventLog, LogRecord, NewRecord } from "#platform/messaging/event-log";
import type { AnyTopic } from "#platform/messaging/topic";
import { deadLetterTopic } from "#platform/messaging/topic-names";
import { withFrames } from "#platform/schemas/framed-log";
import { topics } from "#topics";
import { type Golden, readGolden } from "../golden/samples.ts";
import { type LogUnderTest, logKinds, subscriptionOf, take, unique } from "../support/logs.ts";

const [golden] = (await readGolden(topics.treasuryEvents)) as [Golden];
const bare = Buffer.from(golden.bytes, "base64");
/** Id 7, and the only index: 33. */
const frame = Buffer.of(0, 0, 0, 0, 7, 2, 66);

for (const kind of logKinds) {
  describe(`frames on ${kind.name}`, () => {
    let world: LogUnderTest;
    let log: EventLog;
    beforeAll(async () => {
      world = await kind.open();
      log = world.process();
    }, 60_000);
    afterAll(async () => world.close(), 60_000);

    const setUp = async (): Promise<AnyTopic> => {
      const topic = { ...topics.treasuryEvents, name: `${unique("framed")}.v1` };
      const dead = { ...topic, name: deadLetterTopic(topic.name) };
      await log.ensureTopics([topic, dead]);
      return topic;
    };
    const framing = (topic: AnyTopic, id: number | undefined): EventLog =>
      withFrames(log, { topics: [topic], idOf: () => id });
    const recordOf = (topic: string, value: Uint8Array): NewRecord => ({
      topic,
      key: "subject",
      value,
      headers: {},
    });
    const send = async (through: EventLog, records: readonly NewRecord[]): Promise<void> => {
      const producer = through.createProducer();
      for (const record of records) await producer.send([record]);
      await producer.close();
    };
    const all = async (through: EventLog, topic: string): Promise<LogRecord[]> => {
      const found: LogRecord[] = [];
      for (const { partition, low, end } of await through.ends([topic])) {
        if (end > low) found.push(...(await through.read(topic, partition, low, 100)));
      }
      return found;
    };
    const values = (records: readonly LogRecord[]) =>
      records.map(({ value }) => Buffer.from(value).toString("hex"));

    test("K1: what is sent is framed on the log and bare for readers, by poll and by read", async () => {
      const topic = await setUp();
      const through = framing(topic, 7);
      await send(through, [recordOf(topic.name, bare)]);
      expect(values(await all(log, topic.name))).toEqual([
        Buffer.concat([frame, bare]).toString("hex"),
      ]);
      expect(values(await all(through, topic.name))).toEqual([bare.toString("hex")]);
      const subscription = through.subscribe(subscriptionOf(topic));
      const [record] = await take(subscription, 1);
      await subscription.close();
      expect(values(record ? [record] : [])).toEqual([bare.toString("hex")]);
    }, 60_000);

    test("K2: without a registry both forms are read, with one too", async () => {
      const topic = await setUp();
      const plain = withFrames(log, { topics: [topic] });
      await send(framing(topic, 9), [recordOf(topic.name, bare)]);
      await send(plain, [recordOf(topic.name, bare)]);
      for (const reader of [plain, framing(topic, 7)]) {
        const read = await all(reader, topic.name);
        expect(values(read)).toEqual([bare.toString("hex"), bare.toString("hex")]);
      }
    }, 60_000);

    test("K1: a frame of another message of the file is set aside as what it is: undecodable", async () => {
      const topic = await setUp();
      const other = Buffer.concat([Buffer.of(0, 0, 0, 0, 7, 0), bare]);
      await send(log, [recordOf(topic.name, other)]);
      const [record] = await all(framing(topic, 7), topic.name);
      expect(values(record ? [record] : [])).toEqual([other.toString("hex")]);
      expect(() => record && decode(topic, record)).toThrow("undecodable message");
    }, 60_000);

    test("K1: a dead letter's copy has its topic's frame, unless it is no message of the topic", async () => {
      const topic = await setUp();
      const dead = deadLetterTopic(topic.name);
      const noise = Buffer.from("ffffffff", "hex");
      const alien = Buffer.of(0, 0, 0, 0, 9, 0, 10);
      const copies = [bare, noise, alien, Buffer.alloc(0)];
      await send(
        framing(topic, 7),
        copies.map((value) => recordOf(dead, value)),
      );
      expect(values(await all(log, dead))).toEqual(
        [Buffer.concat([frame, bare]), noise, alien, Buffer.alloc(0)].map((one) =>
          one.toString("hex"),
        ),
      );
      expect(values(await all(framing(topic, 7), dead))).toEqual(
        copies.map((one) => one.toString("hex")),
      );
    }, 60_000);

    test("K1: without the id nothing is sent, and trying again may help", async () => {
      const topic = await setUp();
      const sent = send(framing(topic, undefined), [recordOf(topic.name, bare)]);
      expect(await sent.catch((error: unknown) => error)).toBeInstanceOf(TransientError);
      expect(await all(log, topic.name)).toEqual([]);
    }, 60_000);

    test("topics that are not of the catalogue are left alone", async () => {
      const [topic, other] = [await setUp(), await setUp()];
      await send(framing(topic, 7), [recordOf(other.name, bare)]);
      expect(values(await all(framing(topic, 7), other.name))).toEqual([bare.toString("hex")]);
      expect(values(await all(log, other.name))).toEqual([bare.toString("hex")]);
    }, 60_000);
  });
}
