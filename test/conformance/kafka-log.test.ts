/** How the Kafka log behaves when brokers, connections and other members do not. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { Kafka, logLevel } from "kafkajs";
import { TransientError } from "#platform/errors";
import {
  type EventLog,
  type PartitionEnds,
  RecordRefusedError,
  type TopicSettings,
} from "#platform/messaging/event-log";
import { createKafkaLog, type KafkaLogOptions } from "#platform/messaging/kafka/log";
import { newPartition } from "#platform/messaging/kafka/partition";
import { createWatchdog } from "#platform/messaging/kafka/watchdog";
import { silentLogger } from "#platform/telemetry/logger";
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

describe("the watchdog", () => {
  const watch = (setup: { ends: PartitionEnds[]; position?: bigint; assigned?: boolean }) => {
    const partition = { ...newPartition("t", 0), position: setup.position, fetchFrom: 5n };
    const reasons: string[] = [];
    const dog = createWatchdog({
      readEnds: async () => setup.ends,
      partitions: () => [partition],
      assigned: () => setup.assigned ?? true,
      onStuck: (reason) => reasons.push(reason),
      logger: silentLogger,
      checkMs: 10,
      stuckMs: 60,
    });
    return { reasons, partition, stop: () => dog.stop() };
  };
  const ends = (end: bigint): PartitionEnds[] => [{ topic: "t", partition: 0, low: 0n, end }];

  test("reports a partition that lags and gives nothing, once per spell", async () => {
    const dog = watch({ ends: ends(9n), position: 5n });
    await eventually(() => dog.reasons.length > 0);
    expect(dog.reasons).toEqual(["t/0 gives nothing from 5 on"]);
    dog.stop();
  });

  test("reports a group that is not joined although its topics exist", async () => {
    const dog = watch({ ends: ends(0n), assigned: false });
    await eventually(() => dog.reasons.length > 0);
    expect(dog.reasons).toEqual(["nothing is assigned"]);
    dog.stop();
  });

  test("keeps quiet while there is nothing to fetch, while it moves, and while a lane is busy", async () => {
    const idle = watch({ ends: ends(5n), position: 5n });
    const busy = watch({ ends: ends(9n), position: 5n });
    busy.partition.inHand = true;
    const moving = watch({ ends: ends(1_000n), position: 5n });
    const mover = setInterval(() => {
      moving.partition.fetchFrom += 1n;
    }, 5);
    await Bun.sleep(200);
    clearInterval(mover);
    expect([idle.reasons, busy.reasons, moving.reasons]).toEqual([[], [], []]);
    for (const dog of [idle, busy, moving]) dog.stop();
  });
});

if (KAFKA_BROKERS !== undefined) {
  const brokers = KAFKA_BROKERS.split(",");
  const [host = "", port = ""] = (brokers[0] ?? "").split(":");
  const opened: EventLog[] = [];
  let direct: EventLog;

  beforeAll(() => {
    direct = createKafkaLog({ brokers, clientId: "direct", logger: silentLogger });
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
  });
  afterAll(async () => {
    await direct.close();
  });

  /** A log whose connections lead nowhere until the network is up. */
  function behindNetwork(options: Pick<KafkaLogOptions, "compression"> = {}): {
    log: EventLog;
    network: { up: boolean; cut(): void; open(): number; sent(): number };
  } {
    const sockets = new Set<Socket>();
    const sum = (all: readonly number[]) => all.reduce((total, one) => total + one, 0);
    const network = {
      up: true,
      cut: () => {
        for (const socket of sockets) socket.destroy();
        sockets.clear();
      },
      /** Bytes over all connections. */
      sent: () => sum([...sockets].map(({ bytesWritten }) => bytesWritten)),
      open: () => [...sockets].filter(({ destroyed }) => !destroyed).length,
    };
    const log = createKafkaLog({
      brokers,
      clientId: unique("test"),
      logger: silentLogger,
      ...options,
      socketFactory: ({ onConnect }) => {
        const socket = connect({ host, port: network.up ? Number(port) : 1 }, onConnect);
        sockets.add(socket);
        return socket;
      },
    });
    opened.push(log);
    return { log, network };
  }

  test("starts without a broker, says so, and recovers by itself", async () => {
    const orders = topic({ partitions: 1 });
    await direct.ensureTopics([orders]);
    const { log, network } = behindNetwork();
    network.up = false;
    const subscription = log.subscribe(subscriptionOf(orders));
    expect(await subscription.poll(200)).toBeNull();
    expect(subscription.state()).toBe("joining");
    await expect(log.ping()).rejects.toBeInstanceOf(TransientError);
    await expect(log.createProducer().send([record(orders, "k", "a")])).rejects.toBeInstanceOf(
      TransientError,
    );
    network.up = true;
    await eventually(async () => {
      const producer = log.createProducer();
      return producer.send([record(orders, "k", "b")]).then(
        () => producer.close().then(() => true),
        () => false,
      );
    });
    expect((await take(subscription, 1)).map(textOf)).toEqual(["b"]);
    await log.ping();
  }, 60_000);

  test("reads side by side leave no connection behind, so that a process can end", async () => {
    const orders = topic({ partitions: 12 });
    await direct.ensureTopics([orders]);
    const { log, network } = behindNetwork();
    const all = Array.from({ length: 12 }, (_, partition) =>
      log.read(orders.name, partition, 0n, 1),
    );
    expect((await Promise.all(all)).flat()).toEqual([]);
    await log.close();
    await eventually(() => network.open() === 0);
  });

  test("calls that fail side by side leave no connection behind, so that a process can end", async () => {
    const { log, network } = behindNetwork();
    const missing = Array.from({ length: 12 }, (_, n) => `${unique("missing")}.${n}`);
    const reads = await Promise.allSettled(missing.map((name) => log.read(name, 0, 0n, 1)));
    expect(reads.filter(({ status }) => status === "fulfilled")).toEqual([]);
    await log.close();
    await eventually(() => network.open() === 0, 20_000);
  }, 120_000);

  test("connections that break while reading lose nothing and reorder nothing", async () => {
    const orders = topic({ partitions: 2 });
    await direct.ensureTopics([orders]);
    const { log, network } = behindNetwork();
    const positions = new Map<number, bigint>();
    const subscription = log.subscribe(
      subscriptionOf(orders, {
        startAt: async (_topic, partition) => positions.get(partition) ?? 0n,
      }),
    );
    const producer = direct.createProducer();
    const seen = new Map<string, string[]>();
    let sent = 0;
    const turn = async (): Promise<void> => {
      const batch = await subscription.poll(50);
      if (batch === null) return;
      const next = positions.get(batch.partition) ?? 0n;
      // As the reader's own cursor does it: what is behind it is dropped, a gap would be an error.
      const fresh = batch.records.filter(({ offset }) => offset >= next);
      expect(fresh[0]?.offset ?? next).toBe(next);
      for (const one of fresh) seen.set(one.key, [...(seen.get(one.key) ?? []), textOf(one)]);
      const after = (batch.records.at(-1)?.offset ?? -1n) + 1n;
      if (after > next) positions.set(batch.partition, after);
      await batch.done(after);
    };
    for (let round = 0; round < 30; round += 1) {
      await producer.send(["a", "b", "c", "d"].map((key) => record(orders, key, `${sent++}`)));
      await turn();
      if (round % 10 === 5) network.cut();
    }
    await eventually(async () => {
      await turn();
      return [...seen.values()].flat().length === sent;
    }, 60_000);
    for (const texts of seen.values()) {
      expect(texts.map(Number)).toEqual(texts.map(Number).toSorted((a, b) => a - b));
    }
    await producer.close();
  }, 90_000);

  test("a batch in hand when the group is rebalanced is waited for, and changes nothing", async () => {
    const orders = topic({ partitions: 1 });
    await direct.ensureTopics([orders]);
    await direct.createProducer().send(["a", "b"].map((text) => record(orders, "k", text)));
    const { log } = behindNetwork();
    let starts = 0;
    let cursor = 0n;
    const startAt = async (): Promise<bigint> => {
      starts += 1;
      return cursor;
    };
    const options = subscriptionOf(orders, { startAt, maxRecords: 1 });
    const subscription = log.subscribe(options);
    const inHand = await subscription.poll(10_000);
    expect(inHand?.records.map(textOf)).toEqual(["a"]);
    // A second member joins and leaves: the group is rebalanced, twice.
    const passing = createKafkaLog({ brokers, clientId: unique("test"), logger: silentLogger });
    const visitor = passing.subscribe({ ...options, startAt: async () => 2n });
    await eventually(() => visitor.state() === "joined");
    await passing.close();
    await Bun.sleep(500);
    expect(await subscription.poll(300)).toBeNull();
    expect(starts).toBe(1);
    cursor = 1n;
    await inHand?.done(1n);
    expect((await take(subscription, 1)).map(textOf)).toEqual(["b"]);
    expect(starts).toBe(2);
  }, 60_000);

  test("a record over the broker's limit is refused by name; its topic goes on", async () => {
    const orders = topic({ partitions: 1 });
    await direct.ensureTopics([orders]);
    const producer = direct.createProducer();
    const large = { ...record(orders, "k", "large"), value: new Uint8Array(2_000_000) };
    const refused = await producer.send([large]).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RecordRefusedError);
    expect(refused).toMatchObject({ topic: orders.name });
    await producer.close();
    const next = direct.createProducer();
    const [appended] = await next.send([record(orders, "k", "small")]);
    expect(appended?.offset).toBe(0n);
    await next.close();
  });

  test("seed E7: what is sent packed is smaller, and read by us and by any client", async () => {
    const [plain, packed] = [topic({ partitions: 1 }), topic({ partitions: 1 })];
    await direct.ensureTopics([plain, packed]);
    const [bare, packing] = [behindNetwork(), behindNetwork({ compression: "gzip" })];
    // Longer than the client's first buffer, so that what lies behind its records would show.
    const texts = Array.from({ length: 200 }, (_, n) => `${n} ${"the same again ".repeat(30)}`);
    const send = async ({ log, network }: typeof bare, orders: TopicSettings) => {
      const producer = log.createProducer();
      await producer.send(texts.map((text) => record(orders, "k", text)));
      await producer.close();
      return network.sent();
    };
    expect((await send(packing, packed)) * 4).toBeLessThan(await send(bare, plain));
    expect((await direct.read(packed.name, 0, 0n, 500)).map(textOf)).toEqual(texts);
    expect((await take(direct.subscribe(subscriptionOf(packed)), 200)).map(textOf)).toEqual(texts);

    const client = new Kafka({ brokers, logLevel: logLevel.NOTHING });
    const reader = client.consumer({ groupId: unique("stranger") });
    const read: string[] = [];
    await reader.connect();
    await reader.subscribe({ topic: packed.name, fromBeginning: true });
    await reader.run({
      eachMessage: async ({ message }) => void read.push(String(message.value)),
    });
    await eventually(() => read.length >= 200, 60_000);
    await reader.disconnect();
    expect(read).toEqual(texts);
  }, 120_000);

  test("a prefix separates installations on one cluster and shows nowhere", async () => {
    const prefix = `${unique("installation")}.`;
    const orders = topic({ partitions: 1 });
    const log = createKafkaLog({
      brokers,
      clientId: "p",
      naming: { prefix },
      logger: silentLogger,
    });
    opened.push(log);
    await log.ensureTopics([orders]);
    const producer = log.createProducer();
    const [appended] = await producer.send([record(orders, "k", "a")]);
    await producer.close();
    expect(appended?.topic).toBe(orders.name);
    const options = subscriptionOf(orders);
    const [read] = await take(log.subscribe(options), 1);
    expect(read?.topic).toBe(orders.name);
    expect((await log.ends([orders.name])).map((one) => one.topic)).toEqual([orders.name]);
    expect(await direct.ends([orders.name])).toEqual([]);
    expect((await direct.ends([prefix + orders.name])).map(({ end }) => end)).toEqual([1n]);
  });

  test("a slow lane holds up neither its neighbours nor its membership", async () => {
    const orders = topic({ partitions: 2 });
    await direct.ensureTopics([orders]);
    const { log } = behindNetwork();
    const producer = direct.createProducer();
    const keys = ["a", "b", "c", "d"];
    await producer.send(keys.map((key) => record(orders, key, key)));
    const subscription = log.subscribe(subscriptionOf(orders));
    const slow = await subscription.poll(10_000);
    const started = performance.now();
    let flowed = 0;
    // Longer than the session: a member that did not heartbeat meanwhile would be thrown out.
    while (performance.now() - started < 12_000) {
      await producer.send(keys.map((key) => record(orders, key, key)));
      const batch = await subscription.poll(500);
      if (batch === null) continue;
      expect(batch.partition).not.toBe(slow?.partition);
      flowed += 1;
      await batch.done((batch.records.at(-1)?.offset ?? 0n) + 1n);
      await Bun.sleep(100);
    }
    expect(flowed).toBeGreaterThan(50);
    expect(subscription.state()).toBe("joined");
    await slow?.done((slow.records.at(-1)?.offset ?? 0n) + 1n);
    await producer.close();
  }, 40_000);
}
