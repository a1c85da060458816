/** What only the log in tables has: retention, ownership by epochs, an embedded database of one process. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import { createSystemClock } from "#platform/clock-system";
import { type Database, SqlName } from "#platform/database/database";
import { openPglite } from "#platform/database/pglite";
import type { EventLog } from "#platform/messaging/event-log";
import { RecordRefusedError } from "#platform/messaging/event-log";
import { createTableLog } from "#platform/messaging/table/log";
import { createLogRetention } from "#platform/messaging/table/topics";
import { silentLogger } from "#platform/telemetry/logger";
import {
  createLogSchema,
  eventually,
  record,
  subscriptionOf,
  take,
  textOf,
  topic,
} from "../support/logs.ts";

const schema = "log";
const cursor = new SqlName(schema, "cursor");
let db: Database;
let log: EventLog;

beforeAll(async () => {
  db = await openPglite();
  await createLogSchema(db, schema);
  log = process("first");
}, 60_000);
afterAll(async () => {
  await log.close();
  await db.close();
});

function process(memberId: string, exclusive = false): EventLog {
  const clock = createSystemClock();
  return createTableLog({ db, clock, memberId, logger: silentLogger, exclusive });
}

test("what is older than its topic keeps is deleted from the front, and a reader sees the gap", async () => {
  const orders = topic({ partitions: 1, retentionDays: 7 });
  await log.ensureTopics([orders]);
  const producer = log.createProducer();
  const old = Array.from({ length: 1_200 }, (_, n) => record(orders, "k", `${n}`));
  await producer.send(old);
  const message = new SqlName(schema, "message");
  await db.sql`UPDATE ${message} SET at = at - interval '8 days' WHERE topic = ${orders.name}`;
  await producer.send([record(orders, "k", "young")]);
  const clock = createManualClock(new Date());
  const retention = createLogRetention({ db, clock, logger: silentLogger });
  let steps = 0;
  while ((await retention.step()) === "worked") steps += 1;
  expect(steps).toBe(3);
  expect(await log.ends([orders.name])).toEqual([
    { topic: orders.name, partition: 0, low: 1_200n, end: 1_201n },
  ]);
  const subscription = log.subscribe(subscriptionOf(orders));
  const batch = await subscription.poll(5_000);
  expect(batch?.low).toBe(1_200n);
  expect(batch?.records.map(textOf)).toEqual(["young"]);
  await batch?.done(1_201n);
  await subscription.close();
});

test("topics kept for ever lose nothing", async () => {
  const orders = topic({ partitions: 1 });
  await log.ensureTopics([orders]);
  await log.createProducer().send([record(orders, "k", "a")]);
  const clock = createManualClock(new Date("2999-01-01T00:00:00Z"));
  const retention = createLogRetention({ db, clock, logger: silentLogger });
  while ((await retention.step()) === "worked");
  expect((await log.read(orders.name, 0, 0n, 10)).map(textOf)).toEqual(["a"]);
});

test("an owner that was overtaken moves the group's position no more", async () => {
  const orders = topic({ partitions: 1 });
  await log.ensureTopics([orders]);
  await log.createProducer().send([record(orders, "k", "a")]);
  const options = subscriptionOf(orders);
  const subscription = log.subscribe(options);
  const batch = await subscription.poll(5_000);
  await db.sql`UPDATE ${cursor} SET epoch = epoch + 1, owner = 'another',
    until = clock_timestamp() + interval '1 minute' WHERE grp = ${options.group}`;
  await batch?.done(1n);
  const [position] = await log.lag([options.group]);
  expect(position?.position).toBe(0n);
  expect(await subscription.poll(300)).toBeNull();
  await eventually(() => subscription.state() === "joining");
  await subscription.close();
});

test("members of an earlier process are waited for, unless no other process can be there", async () => {
  const orders = topic({ partitions: 1 });
  await log.ensureTopics([orders]);
  await log.createProducer().send([record(orders, "k", "a")]);
  const options = subscriptionOf(orders);
  await db.sql`INSERT INTO ${new SqlName(schema, "member")} (grp, member, until)
    VALUES (${options.group}, 'aaa-dead', clock_timestamp() + interval '1 minute')`;
  await db.sql`INSERT INTO ${cursor} (grp, topic, p, owner, until)
    VALUES (${options.group}, ${orders.name}, 0, 'aaa-dead', clock_timestamp() + interval '1 minute')`;
  const patient = process("patient");
  expect(await patient.subscribe(options).poll(600)).toBeNull();
  await patient.close();
  const sole = process("sole", true);
  expect((await take(sole.subscribe(options), 1, 3_000)).map(textOf)).toEqual(["a"]);
  await sole.close();
});

test("a record that the database cannot hold is refused by name", async () => {
  const orders = topic({ partitions: 1 });
  await log.ensureTopics([orders]);
  const producer = log.createProducer();
  const nul = record(orders, "k\0", "a");
  const refused = await producer.send([nul]).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(RecordRefusedError);
  expect(refused).toMatchObject({ topic: orders.name });
});

test("one batch is bounded by bytes, and a larger record still comes alone", async () => {
  const orders = topic({ partitions: 1 });
  await log.ensureTopics([orders]);
  const sized = (bytes: number) => ({ ...record(orders, "k", "x"), value: new Uint8Array(bytes) });
  await log.createProducer().send([sized(3_000_000), sized(1_500_000), sized(1_500_000), sized(1)]);
  const subscription = log.subscribe(subscriptionOf(orders));
  const sizes: number[][] = [];
  for (let next = 0n; next < 4n; ) {
    const batch = await subscription.poll(5_000);
    if (batch === null) throw new Error("no batch came");
    sizes.push(batch.records.map(({ value }) => value.length));
    next = (batch.records.at(-1)?.offset ?? 0n) + 1n;
    await batch.done(next);
  }
  expect(sizes).toEqual([[3_000_000], [1_500_000, 1_500_000], [1]]);
  await subscription.close();
});
