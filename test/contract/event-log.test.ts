/** What every event log promises, whichever adapter stands behind the port. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { runInsideTx } from "#platform/database/inside-tx";
import { TerminalError } from "#platform/errors";
import {
  type EventLog,
  type LogBatch,
  type LogRecord,
  type PartitionEnds,
  type Subscription,
  TopicUnavailableError,
} from "#platform/messaging/event-log";
import { partitionOf } from "#platform/messaging/partition";
import {
  eventually,
  type LogUnderTest,
  logKinds,
  record,
  subscriptionOf,
  take,
  textOf,
  topic,
} from "../support/logs.ts";

const keys = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];

for (const kind of logKinds) {
  describe(kind.name, () => {
    let world: LogUnderTest;
    let log: EventLog;
    const open: Subscription[] = [];
    const subscribe = (...args: Parameters<EventLog["subscribe"]>): Subscription => {
      const subscription = log.subscribe(...args);
      open.push(subscription);
      return subscription;
    };

    beforeAll(async () => {
      world = await kind.open();
      log = world.process();
    }, 60_000);
    afterAll(async () => {
      await Promise.all(open.map((subscription) => subscription.close()));
      await world.close();
    }, 60_000);

    test("records of one key come in the order they were appended", async () => {
      const orders = topic();
      await log.ensureTopics([orders]);
      const producer = log.createProducer();
      for (let round = 0; round < 10; round += 1) {
        await producer.send(
          keys.flatMap((key) => [0, 1].map((n) => record(orders, key, `${key}:${round * 2 + n}`))),
        );
      }
      const records = await take(subscribe(subscriptionOf(orders)), 160);
      for (const key of keys) {
        expect(records.filter((one) => one.key === key).map(textOf)).toEqual(
          Array.from({ length: 20 }, (_, n) => `${key}:${n}`),
        );
      }
      await producer.close();
    });

    test("offsets have no gaps, and an append says where its records are", async () => {
      const orders = topic();
      await log.ensureTopics([orders]);
      const producer = log.createProducer();
      const sent = keys.map((key) => record(orders, key, key));
      const appended = [...(await producer.send(sent)), ...(await producer.send(sent))];
      for (const [index, { partition, offset }] of appended.entries()) {
        const key = keys[index % keys.length] ?? "";
        expect(partition).toBe(partitionOf(key, orders.partitions));
        const [found] = await log.read(orders.name, partition, offset, 1);
        expect(found).toMatchObject({ key, offset, partition, topic: orders.name });
      }
      for (const { partition, low, end } of await log.ends([orders.name])) {
        const mine = appended.filter((one) => one.partition === partition);
        expect(low).toBe(0n);
        expect(mine.map(({ offset }) => offset)).toEqual(mine.map((_, index) => BigInt(index)));
        expect(end).toBe(BigInt(mine.length));
      }
    });

    test("value, key and headers come back byte for byte", async () => {
      const orders = topic({ partitions: 1 });
      await log.ensureTopics([orders]);
      const value = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const headers = { "message-id": 'ä "quoted" \\ 漢字 🎲', empty: "" };
      const sent = { topic: orders.name, key: 'schlüssel,{}"\\', value, headers };
      await log.createProducer().send([sent, { ...sent, key: "", value: new Uint8Array() }]);
      const [first, second] = await take(subscribe(subscriptionOf(orders)), 2);
      expect(first).toMatchObject({ key: sent.key, headers });
      expect(Buffer.from(first?.value ?? [])).toEqual(Buffer.from(value));
      expect(second?.key).toBe("");
      expect(second?.value.length).toBe(0);
    });

    test("a group's next member goes on where the reader's cursor stands", async () => {
      const orders = topic({ partitions: 1 });
      await log.ensureTopics([orders]);
      const producer = log.createProducer();
      await producer.send(["a", "b", "c"].map((text) => record(orders, "k", text)));
      const asked: PartitionEnds[] = [];
      const startAt = async (
        _topic: string,
        _partition: number,
        ends: PartitionEnds,
      ): Promise<bigint> => {
        asked.push(ends);
        return 1n;
      };
      const records = await take(subscribe(subscriptionOf(orders, { startAt })), 2);
      expect(records.map(textOf)).toEqual(["b", "c"]);
      expect(asked[0]).toEqual({ topic: orders.name, partition: 0, low: 0n, end: 3n });
    });

    test("what was not done comes again to the next member, what was done does not hurt", async () => {
      const orders = topic({ partitions: 1 });
      await log.ensureTopics([orders]);
      await log.createProducer().send(["a", "b"].map((text) => record(orders, "k", text)));
      const options = subscriptionOf(orders, { maxRecords: 1 });
      const first = log.subscribe(options);
      await take(first, 1);
      const dropped = await nextBatch(first);
      expect(textsOf(dropped)).toEqual(["b"]);
      dropped.retryAfter(60_000);
      await first.close();
      const again = await take(subscribe({ ...options, startAt: async () => 1n }), 1);
      expect(again.map(textOf)).toEqual(["b"]);
    });

    test("a batch to be tried again comes again alone, while the other partitions flow", async () => {
      const orders = topic({ partitions: 2 });
      await log.ensureTopics([orders]);
      const [slow = "", quick = ""] = [0, 1].map(
        (part) => keys.find((key) => partitionOf(key, 2) === part) ?? "",
      );
      const producer = log.createProducer();
      const subscription = subscribe(subscriptionOf(orders));
      await eventually(() => subscription.state() === "joined");
      await producer.send([record(orders, slow, "first"), record(orders, slow, "second")]);
      const failing = await nextBatch(subscription);
      const failedAt = performance.now();
      failing.retryAfter(1_500);
      const flowed: string[] = [];
      let again: LogBatch | undefined;
      for (let n = 0; again === undefined; n += 1) {
        await producer.send([record(orders, quick, `${n}`)]);
        const batch = await nextBatch(subscription);
        if (batch.partition === failing.partition) again = batch;
        else {
          flowed.push(...textsOf(batch));
          await batch.done((batch.records.at(-1)?.offset ?? 0n) + 1n);
        }
        await Bun.sleep(20);
      }
      const waited = performance.now() - failedAt;
      expect(textsOf(again).slice(0, textsOf(failing).length)).toEqual(textsOf(failing));
      expect(waited).toBeGreaterThan(1_450);
      expect(waited).toBeLessThan(4_000);
      expect(flowed.length).toBeGreaterThan(5);
      await again.done(2n);
    });

    test("a partition is in one hand at a time", async () => {
      const orders = topic({ partitions: 1 });
      await log.ensureTopics([orders]);
      await log.createProducer().send(["a", "b", "c"].map((text) => record(orders, "k", text)));
      const subscription = subscribe(subscriptionOf(orders, { maxRecords: 1 }));
      const inHand = await nextBatch(subscription);
      expect(await subscription.poll(500)).toBeNull();
      await inHand.done(1n);
      const following = await nextBatch(subscription);
      expect(textsOf(following)).toEqual(["b"]);
      await following.done(2n);
    });

    test("seek goes back and forth", async () => {
      const orders = topic({ partitions: 1 });
      await log.ensureTopics([orders]);
      await log
        .createProducer()
        .send(["a", "b", "c", "d"].map((text) => record(orders, "k", text)));
      const subscription = subscribe(subscriptionOf(orders, { maxRecords: 2 }));
      const seen: string[][] = [];
      for (const offset of [3n, 1n]) {
        const batch = await nextBatch(subscription);
        seen.push(textsOf(batch));
        batch.seek(offset);
      }
      seen.push((await take(subscription, 2)).map(textOf));
      expect(seen).toEqual([["a", "b"], ["d"], ["b", "c"]]);
    });

    test("a batch is of one partition, consecutive, and no larger than asked for", async () => {
      const orders = topic({ partitions: 2 });
      await log.ensureTopics([orders]);
      const producer = log.createProducer();
      await producer.send(
        keys.flatMap((key) => Array.from({ length: 10 }, (_, n) => record(orders, key, `${n}`))),
      );
      const subscription = subscribe(subscriptionOf(orders, { maxRecords: 7 }));
      let count = 0;
      while (count < 80) {
        const batch = await nextBatch(subscription);
        const [first] = batch.records;
        expect(batch.records.length).toBeLessThanOrEqual(7);
        expect(batch.low).toBe(0n);
        for (const [index, one] of batch.records.entries()) {
          expect(one.partition).toBe(batch.partition);
          expect(one.offset).toBe((first?.offset ?? 0n) + BigInt(index));
          expect(one.offset).toBeLessThan(batch.end);
        }
        count += batch.records.length;
        await batch.done((batch.records.at(-1)?.offset ?? 0n) + 1n);
      }
    });

    test("two members share the partitions, and the one that stays takes over the rest", async () => {
      const orders = topic({ partitions: 4 });
      await log.ensureTopics([orders]);
      const producer = log.createProducer();
      const positions = new Map<number, bigint>();
      const options = subscriptionOf(orders, {
        startAt: async (_topic, partition) => positions.get(partition) ?? 0n,
      });
      const other = world.process().subscribe(options);
      const stays = subscribe(options);
      const seen = { other: new Set<number>(), stays: new Set<number>() };
      const texts = new Set<string>();
      let sent = 0;
      const turn = async (member: "other" | "stays"): Promise<void> => {
        const batch = await (member === "other" ? other : stays).poll(20);
        if (batch === null) return;
        seen[member].add(batch.partition);
        for (const text of textsOf(batch)) texts.add(text);
        const after = (batch.records.at(-1)?.offset ?? 0n) + 1n;
        const before = positions.get(batch.partition) ?? 0n;
        positions.set(batch.partition, after > before ? after : before);
        await batch.done(after);
      };
      const send = async (): Promise<void> => {
        await producer.send(
          Array.from({ length: 16 }, (_, n) => record(orders, `key-${n}`, `${sent++}`)),
        );
      };
      await eventually(async () => {
        await send();
        await Promise.all([turn("other"), turn("stays")]);
        return seen.other.size > 0 && seen.stays.size > 0;
      });
      await eventually(() => other.state() === "joined" && stays.state() === "joined");
      seen.other.clear();
      seen.stays.clear();
      for (let n = 0; n < 8; n += 1) {
        await send();
        await Promise.all([turn("other"), turn("stays"), turn("other"), turn("stays")]);
      }
      expect(seen.other.size).toBe(2);
      expect(seen.stays.size).toBe(2);
      expect([...seen.other].some((partition) => seen.stays.has(partition))).toBe(false);
      await other.close();
      seen.stays.clear();
      await eventually(async () => {
        await send();
        await turn("stays");
        return seen.stays.size === 4;
      });
      await eventually(async () => {
        await turn("stays");
        return texts.size === sent;
      });
    }, 60_000);

    test("lag counts what the group has not done", async () => {
      const orders = topic({ partitions: 1 });
      await log.ensureTopics([orders]);
      await log.createProducer().send(["a", "b", "c"].map((text) => record(orders, "k", text)));
      const options = subscriptionOf(orders, { maxRecords: 2 });
      const subscription = subscribe(options);
      await take(subscription, 2);
      const lag = async (): Promise<(readonly bigint[])[]> =>
        (await log.lag([options.group])).map(({ position, end }) => [position, end]);
      await eventually(async () => (await lag())[0]?.[0] === 2n);
      expect(await lag()).toEqual([[2n, 3n]]);
      await take(subscription, 1);
      await eventually(async () => (await lag())[0]?.[0] === 3n);
      expect(await log.lag([`${options.group}-unknown`])).toEqual([]);
    });

    test("read gives any part of the log again, without a group", async () => {
      const orders = topic({ partitions: 1 });
      await log.ensureTopics([orders]);
      const texts = Array.from({ length: 50 }, (_, n) => `${n}`);
      await log.createProducer().send(texts.map((text) => record(orders, "k", text)));
      expect((await log.read(orders.name, 0, 10n, 5)).map(textOf)).toEqual(texts.slice(10, 15));
      const all: LogRecord[] = [];
      for (;;) {
        const part = await log.read(orders.name, 0, BigInt(all.length), 20);
        if (part.length === 0) break;
        all.push(...part);
      }
      expect(all.map(textOf)).toEqual(texts);
    });

    test("an append topic is stamped by the log's clock, and the append says the same", async () => {
      const commands = topic({ partitions: 1, timestamps: "append" });
      await log.ensureTopics([commands]);
      const before = Date.now();
      const [appended] = await log.createProducer().send([record(commands, "k", "a")]);
      const [found] = await log.read(commands.name, 0, 0n, 1);
      expect(found?.appendedAt).toEqual(appended?.appendedAt ?? new Date(0));
      expect(Math.abs((found?.appendedAt.getTime() ?? 0) - before)).toBeLessThan(5_000);
    });

    test("a missing topic is named when it is written, and waited for when it is read", async () => {
      const missing = topic();
      const producer = log.createProducer();
      const rejected = await producer
        .send([record(missing, "k", "a")])
        .catch((error: unknown) => error);
      expect(rejected).toBeInstanceOf(TopicUnavailableError);
      expect(rejected).toMatchObject({ topic: missing.name });
      await producer.close();
      const subscription = subscribe(subscriptionOf(missing));
      expect(await subscription.poll(300)).toBeNull();
      expect(subscription.state()).toBe("joining");
      await log.ensureTopics([missing]);
      await eventually(async () => {
        const another = log.createProducer();
        return another.send([record(missing, "k", "b")]).then(
          () => true,
          () => false,
        );
      });
      expect((await take(subscription, 1)).map(textOf)).toEqual(["b"]);
    }, 60_000);

    test("topics are created once, repaired, and never grown by the way", async () => {
      const orders = topic({ retentionDays: 30 });
      expect(await log.ensureTopics([orders], { dryRun: true })).toHaveLength(1);
      expect(await log.ends([orders.name]).catch(() => [])).toEqual([]);
      expect(await log.ensureTopics([orders])).toHaveLength(1);
      await eventually(async () => (await log.ensureTopics([orders])).length === 0);
      const changed = { ...orders, retentionDays: 7, timestamps: "append" as const };
      expect(await log.ensureTopics([changed])).toHaveLength(2);
      await eventually(async () => (await log.ensureTopics([changed])).length === 0);
      const grown = { ...changed, partitions: 5 };
      expect(log.ensureTopics([grown])).rejects.toBeInstanceOf(TerminalError);
      expect(await log.ensureTopics([grown], { allowReorder: true })).toHaveLength(1);
      await eventually(async () => (await log.ends([orders.name])).length === 5);
    });

    test("a log has one name, and answers", async () => {
      const id = await log.clusterId();
      expect(id.length).toBeGreaterThan(10);
      expect(await world.process().clusterId()).toBe(id);
      await log.ping();
    });

    test("it is refused inside a database transaction", async () => {
      const orders = topic();
      await log.ensureTopics([orders]);
      const producer = log.createProducer();
      await runInsideTx(async () => {
        await expect(producer.send([record(orders, "k", "a")])).rejects.toBeInstanceOf(
          TerminalError,
        );
        expect(() => log.subscribe(subscriptionOf(orders))).toThrow(TerminalError);
      });
    });
  });
}

async function nextBatch(subscription: Subscription, withinMs = 20_000): Promise<LogBatch> {
  const batch = await subscription.poll(withinMs);
  if (batch === null) throw new Error("no batch came");
  return batch;
}

function textsOf(batch: LogBatch): string[] {
  return batch.records.map(textOf);
}
