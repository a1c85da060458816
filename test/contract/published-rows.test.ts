/**
 * ADR 7 on each log: where a connector publishes, a row goes once its message was read on its topic,
 * and not before, whatever slots say; what the connector leaves behind the relay publishes. A producer
 * plays the connector, and leaves out what it is told to.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import { type Database, SqlName } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import type { EventLog, NewRecord, TopicSettings } from "#platform/messaging/event-log";
import { createKafkaLog } from "#platform/messaging/kafka/log";
import { createOutbox } from "#platform/messaging/outbox";
import type { Worker } from "#platform/module";
import { silentLogger } from "#platform/telemetry/logger";
import { createPublishedRows } from "../../src/modules/outbox/published-rows.ts";
import { createRelay } from "../../src/modules/outbox/relay.ts";
import { freshPostgres } from "../support/databases.ts";
import { eventually, type LogUnderTest, logKinds, topic, unique } from "../support/logs.ts";
import { createModuleSchema, message, waiting } from "../support/outbox.ts";

const schemas = ["escrow", "payments"] as const;
const clock = createManualClock();
const outboxes = {
  escrow: createOutbox({ schema: "escrow", writer: "escrow", producerName: "test", clock }),
  payments: createOutbox({ schema: "payments", writer: "payments", producerName: "test", clock }),
};

const { DATABASE_URL, KAFKA_BROKERS } = process.env;
const kinds = DATABASE_URL === undefined ? [] : logKinds;

for (const kind of kinds) {
  describe(`published rows on ${kind.name}`, () => {
    let opened: LogUnderTest;
    let log: EventLog;
    let db: Database;
    let drop: () => Promise<void>;
    let events: TopicSettings;
    let letters: TopicSettings;
    let running: Worker[] = [];

    beforeAll(async () => {
      const fresh = await freshPostgres();
      drop = fresh.drop;
      db = openPostgres({ url: fresh.url, max: 8 });
      for (const schema of schemas) await createModuleSchema(db, schema);
      opened = await kind.open();
    }, 60_000);
    beforeEach(async () => {
      await Promise.all(running.map((worker) => worker.stop?.()));
      running = [];
      for (const schema of schemas) {
        await db.script(
          `TRUNCATE ${schema}.outbox, ${schema}.outbox_held, ${schema}.consumer_cursor`,
        );
      }
      log = opened.process();
      [events, letters] = [topic(), topic()];
      await log.ensureTopics([events, letters]);
    }, 60_000);
    afterAll(async () => {
      await Promise.all(running.map((worker) => worker.stop?.()));
      await opened.close();
      await db.close();
      await drop();
    }, 60_000);

    /** Joined, so that it has its positions. */
    async function remover(): Promise<Worker> {
      const worker = createPublishedRows({
        outboxes: schemas.map((schema) => ({ schema, db })),
        log: opened.process(),
        topics: [events.name, letters.name],
        clock,
        keepEveryMs: 0,
      });
      running.push(worker);
      await worker.start?.();
      await eventually(() => worker.problem?.() === undefined, 60_000);
      return worker;
    }

    async function leave(worker: Worker): Promise<void> {
      await worker.stop?.();
      running = running.filter((one) => one !== worker);
    }

    const write = (schema: (typeof schemas)[number], ...records: NewRecord[]) =>
      db.withTx((tx) => outboxes[schema].enqueueRaw(tx, records));

    async function connect(...records: NewRecord[]): Promise<void> {
      const producer = log.createProducer();
      for (const record of records) await producer.send([record]);
      await producer.close();
    }

    async function left(schema: (typeof schemas)[number] = "escrow"): Promise<string[]> {
      const rows = await db.sql<{ payload: Uint8Array }>`
        SELECT payload FROM ${new SqlName(schema, "outbox")} ORDER BY pos`;
      return rows.map(({ payload }) => Buffer.from(payload).toString());
    }

    async function untilLeft(worker: Worker, expected: readonly string[]): Promise<void> {
      await eventually(async () => {
        await worker.step();
        return (await left()).join() === expected.join();
      }, 60_000);
    }

    const event = (key: string, text: string) => message(events.name, key, text);

    test("a row whose message never reached its topic stays, and what follows it of its key", async () => {
      const worker = await remover();
      const [one, two, three, four] = ["1", "2", "3", "4"].map((text) => event("k", text));
      if (!one || !two || !three || !four) throw new Error("four");
      const other = event("other", "5");
      await write("escrow", one, two, three, four, other);
      await connect(one, three, four, other);
      await untilLeft(worker, ["2", "3", "4"]);
      for (let n = 0; n < 3; n += 1) await worker.step();
      expect(await left()).toEqual(["2", "3", "4"]);
      await connect(two);
      await untilLeft(worker, ["3", "4"]);
      await connect(three, four);
      await untilLeft(worker, []);
    }, 120_000);

    test("what is read together is judged in the order it came: what came too early stays", async () => {
      const worker = await remover();
      const [one, two, three, four] = ["1", "2", "3", "4"].map((text) => event("k", text));
      if (!one || !two || !three || !four) throw new Error("four");
      await write("escrow", one, two, three, four);
      await connect(one, three, four, two, three);
      await untilLeft(worker, ["4"]);
      for (let n = 0; n < 3; n += 1) await worker.step();
      expect(await left()).toEqual(["4"]);
    }, 120_000);

    test("what the connector leaves is published by the relay once it is overdue, in order", async () => {
      const worker = await remover();
      const told: number[] = [];
      const relay = overdueRelay(db, log, (rows) => void told.push(rows));
      running.push(relay);
      await relay.start?.();
      const all = ["1", "2", "3", "4"].map((text) => event("k", text));
      await write("escrow", ...all);
      await connect(...all.slice(0, 1), ...all.slice(2, 3));
      await untilLeft(worker, ["2", "3", "4"]);
      await relay.step();
      await clock.advance(59_000);
      await relay.step();
      expect(told).toEqual([]);
      await clock.advance(1_000);
      // Younger than the look before: not its turn yet.
      await write("escrow", event("k", "5"));
      await relay.step();
      expect(told).toEqual([3]);
      // Whoever drops what comes too early finds all of it in order.
      expect(await textsOn(log, events.name)).toEqual(["1", "3", "2", "3", "4"]);
      await untilLeft(worker, ["5"]);
    }, 120_000);

    test("a look at the topics that lags behind the relay removes nothing that came too early", async () => {
      const worker = await remover();
      const relay = overdueRelay(db, log);
      running.push(relay);
      await relay.start?.();
      const all = ["1", "2", "3"].map((text) => event("k", text));
      await write("escrow", ...all.slice(0, 2));
      await relay.step();
      await write("escrow", ...all.slice(2));
      // Before the relay sends what it follows, and not looked at before the relay is done.
      await connect(...all.slice(2));
      await clock.advance(60_000);
      await relay.step();
      await untilLeft(worker, ["3"]);
      await clock.advance(60_000);
      await relay.step();
      await untilLeft(worker, []);
      expect(await textsOn(log, events.name)).toEqual(["3", "1", "2", "3"]);
    }, 120_000);

    test("what the relay has published and nobody has seen yet is not sent at every step", async () => {
      const relay = overdueRelay(db, log);
      running.push(relay);
      await relay.start?.();
      await write("escrow", event("k", "1"));
      await relay.step();
      await clock.advance(60_000);
      for (let n = 0; n < 3; n += 1) await relay.step();
      expect(await textsOn(log, events.name)).toEqual(["1"]);
      // Nobody looks: then it is said once more, and not oftener.
      await clock.advance(60_000);
      for (let n = 0; n < 3; n += 1) await relay.step();
      expect(await textsOn(log, events.name)).toEqual(["1", "1"]);
      expect(await left()).toEqual(["1"]);
    }, 120_000);

    test("a row that is set aside keeps what follows it of its key", async () => {
      const worker = await remover();
      const [one, two, other] = [event("k", "1"), event("k", "2"), event("other", "3")];
      await write("escrow", one, two, other);
      await db.script(`
        WITH moved AS (DELETE FROM escrow.outbox WHERE payload = '1'::bytea RETURNING *)
        INSERT INTO escrow.outbox_held
          (pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, error)
        SELECT pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, 'refused' FROM moved`);
      await connect(two, other);
      await untilLeft(worker, ["2"]);
      for (let n = 0; n < 3; n += 1) await worker.step();
      expect(await left()).toEqual(["2"]);
    }, 120_000);

    test("a backlog that the connector has left is published in order, as fast as it is seen", async () => {
      const worker = await remover();
      const relay = overdueRelay(db, log);
      running.push(relay);
      await relay.start?.();
      const texts = Array.from({ length: 100 }, (_, n) => `${n}`);
      await write("escrow", ...texts.map((text) => event("k", text)));
      await relay.step();
      await clock.advance(60_000);
      await eventually(async () => {
        await relay.step();
        await worker.step();
        return (await left()).length === 0;
      }, 60_000);
      expect(await textsOn(log, events.name)).toEqual(texts);
    }, 120_000);

    test("the same id is no proof: key, topic, bytes and headers are compared", async () => {
      const worker = await remover();
      const row = event("k", "1");
      const copy = (group: string): NewRecord => ({
        ...message(letters.name, "k", "dead"),
        headers: { "message-id": "k:dead", "dlq-consumer-group": group },
      });
      await write("escrow", row, copy("one"), copy("two"));
      await connect(
        { ...row, value: Buffer.from("forged") },
        { ...row, key: "j" },
        { ...row, topic: letters.name },
        { ...row, headers: { ...row.headers, "message-type": "other" } },
        { ...row, headers: {} },
        // Tables keep no such text; strangers on Kafka may write it.
        { ...row, headers: { "message-id": kind.name === "Kafka" ? "zero\0byte" : "other" } },
        copy("one"),
      );
      await untilLeft(worker, ["1", "dead"]);
      for (let n = 0; n < 3; n += 1) await worker.step();
      expect(await left()).toEqual(["1", "dead"]);
      // Whoever traces messages adds headers on their way.
      await connect({ ...row, headers: { ...row.headers, added: "x" } }, copy("two"));
      await untilLeft(worker, []);
    }, 120_000);

    test("several databases' rows on one topic go, each from its own outbox", async () => {
      const worker = await remover();
      const [ours, theirs] = [event("k", "ours"), event("k", "theirs")];
      await write("escrow", ours);
      await write("payments", theirs);
      await connect(theirs, event("stranger", "x"));
      await eventually(async () => {
        await worker.step();
        return (await waiting(db, "payments")) === 0;
      }, 60_000);
      expect(await left()).toEqual(["ours"]);
      await connect(ours);
      await untilLeft(worker, []);
    }, 120_000);

    test("a restart goes on where it was: nothing is missed, nothing read from the beginning", async () => {
      const first = await remover();
      const before = event("k", "before");
      await write("escrow", before);
      await connect(before);
      await untilLeft(first, []);
      await leave(first);
      const meanwhile = ["1", "2"].map((text) => event("k", text));
      await write("escrow", ...meanwhile);
      await connect(...meanwhile);
      // Seen once, and not again: its row is new, its message old.
      await write("escrow", before);
      const second = await remover();
      await untilLeft(second, ["before"]);
      for (let n = 0; n < 3; n += 1) await second.step();
      expect(await left()).toEqual(["before"]);
    }, 120_000);

    test("what fails in the database is seen again, and its position not kept", async () => {
      const worker = await remover();
      const row = event("k", "1");
      await write("escrow", row);
      await db.script("ALTER TABLE payments.outbox RENAME TO gone");
      await connect(row);
      await expect(
        eventually(async () => (await worker.step()) === "worked", 5_000),
      ).rejects.toThrow("payments.outbox");
      await db.script("ALTER TABLE payments.gone RENAME TO outbox");
      await leave(worker);
      await write("escrow", row);
      await untilLeft(await remover(), []);
    }, 120_000);

    if (kind.name === "Kafka" && KAFKA_BROKERS !== undefined)
      test("compressed batches under a prefix are read as they were said", async () => {
        const prefix = `${unique("shop")}.`;
        const compressed = createKafkaLog({
          brokers: KAFKA_BROKERS.split(","),
          clientId: "test",
          naming: { prefix },
          logger: silentLogger,
          compression: "gzip",
        });
        await compressed.ensureTopics([events]);
        const worker = createPublishedRows({
          outboxes: [{ schema: "escrow", db }],
          log: compressed,
          topics: [events.name],
          clock,
        });
        running.push(worker);
        await worker.start?.();
        await eventually(() => worker.problem?.() === undefined, 60_000);
        const rows = Array.from({ length: 300 }, (_, n) => event(`k${n % 7}`, `${n}`));
        await write("escrow", ...rows);
        const producer = compressed.createProducer();
        await producer.send(rows.slice(0, 299));
        await producer.close();
        await untilLeft(worker, ["299"]);
        await worker.stop?.();
        await compressed.close();
      }, 120_000);
  });
}

function overdueRelay(
  db: Database,
  log: EventLog,
  overdue: (rows: number) => void = () => undefined,
): Worker {
  const nothing = () => undefined;
  return createRelay({
    db,
    schema: "escrow",
    log,
    clock,
    logger: silentLogger,
    owner: unique("relay"),
    overdueAfterMs: 60_000,
    measure: {
      published: nothing,
      publishFailed: nothing,
      refused: nothing,
      overdue: (_, rows) => overdue(rows),
    },
  });
}

async function textsOn(log: EventLog, name: string): Promise<string[]> {
  const texts: string[] = [];
  for (const { topic: on, partition, low } of await log.ends([name])) {
    const records = await log.read(on, partition, low, 1_000);
    texts.push(...records.map(({ value }) => Buffer.from(value).toString()));
  }
  return texts;
}
