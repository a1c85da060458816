import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import type { Database } from "#platform/database/database";
import {
  type NewRecord,
  RecordRefusedError,
  TopicUnavailableError,
} from "#platform/messaging/event-log";
import { createOutbox } from "#platform/messaging/outbox";
import { shardOf } from "#platform/messaging/partition";
import { maxPartitionBytes, recordBytes } from "#platform/messaging/record-size";
import { silentLogger } from "#platform/telemetry/logger";
import { freshPglite } from "../../../test/support/databases.ts";
import {
  createFakeLog,
  createModuleSchema,
  drain,
  type Fate,
  message,
  waiting,
} from "../../../test/support/outbox.ts";
import { listHeld, retryHeld } from "./held.ts";
import { createRelay } from "./relay.ts";

const schema = "escrow";
const clock = createManualClock();
const outbox = createOutbox({ schema, writer: "escrow", producerName: "test", clock });
let db: Database;
let owners = 0;

beforeAll(async () => {
  db = await freshPglite();
  await createModuleSchema(db, schema);
}, 60_000);
afterAll(() => db.close());
beforeEach(() => db.script("TRUNCATE escrow.outbox, escrow.outbox_held, escrow.outbox_lease"));

test("publishes in order, one produce request per topic, and forgets what was acknowledged", async () => {
  await put(Array.from({ length: 40 }, (_, n) => message(n % 2 ? "a.v1" : "b.v1", `k${n % 5}`, n)));
  const { relay, log } = setUp();
  await drain(relay);
  expect(log.sends.map((send) => new Set(send.map(({ topic }) => topic)).size)).toEqual([1, 1]);
  for (const topic of ["a.v1", "b.v1"]) {
    const numbers = texts(log.records.filter((record) => record.topic === topic)).map(Number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
  expect(log.records).toHaveLength(40);
  expect(await waiting(db, schema)).toBe(0);
  expect(relay.problem?.()).toBeUndefined();
});

test("after any rejection the same rows go again, through a new producer", async () => {
  await put([message("a.v1", "k", 1), message("a.v1", "k", 2)]);
  const fates: Fate[] = ["reply lost", "not written", "written"];
  const { relay, log } = setUp(() => fates.shift() ?? "written");
  await relay.step();
  expect(relay.problem?.()).toContain("reply lost");
  // Not again at once: the log has to come back first.
  expect(await relay.step()).toBe("idle");
  expect(log.sends).toHaveLength(1);
  await clock.advance(500);
  await put([message("a.v1", "k", 3)]);
  await relay.step();
  await clock.advance(500);
  await drain(relay);
  expect(texts(log.records)).toEqual(["1", "2", "1", "2", "3"]);
  expect(log.producersMade).toBe(3);
  expect(relay.problem?.()).toBeUndefined();
});

test("a topic that cannot be written waits alone, and goes on in order once it can", async () => {
  await put([1, 2, 3].flatMap((n) => [message("gone.v1", "k", n), message("a.v1", "k", n)]));
  let gone = true;
  const { relay, log } = setUp(([record]) =>
    gone && record?.topic === "gone.v1"
      ? new TopicUnavailableError("gone.v1", "missing")
      : "written",
  );
  await drain(relay);
  expect(texts(log.records)).toEqual(["1", "2", "3"]);
  expect(relay.problem?.()).toContain("missing");
  await put([message("a.v1", "k", 4), message("gone.v1", "k", 4)]);
  await drain(relay);
  expect(texts(log.records)).toEqual(["1", "2", "3", "4"]);
  gone = false;
  await clock.advance(1_000);
  await drain(relay);
  expect(texts(log.records.slice(4))).toEqual(["1", "2", "3", "4"]);
  expect(relay.problem?.()).toBeUndefined();
});

test("a topic whose send hangs keeps nobody waiting, and nothing of it is sent beside it", async () => {
  await put([message("slow.v1", "k", 1), message("a.v1", "k", 1)]);
  const answer = Promise.withResolvers<Fate>();
  const { relay, log } = setUp(([record]) =>
    record?.topic === "slow.v1" ? answer.promise : "written",
  );
  const step = relay.step();
  while (clock.sleepers === 0) await new Promise(setImmediate);
  await clock.advance(200);
  await step;
  await put([message("slow.v1", "k", 2), message("a.v1", "k", 2)]);
  await drain(relay);
  const of = (topic: string): string[] =>
    texts(log.records.filter((record) => record.topic === topic));
  expect(of("a.v1")).toEqual(["1", "2"]);
  expect(log.sends.filter(([record]) => record?.topic === "slow.v1")).toHaveLength(1);
  answer.resolve("written");
  await Promise.all([relay.stop?.()]);
  expect(of("slow.v1")).toEqual(["1"]);
  const next = setUp();
  await drain(next.relay);
  expect(texts(next.log.records)).toEqual(["2"]);
});

test("a refused row is held with its key; the others flow; released, it goes first", async () => {
  await put([1, 2, 3].flatMap((n) => ["x", "y", "z"].map((key) => message("a.v1", key, n))));
  let refusing = true;
  const { relay, log } = setUp((records) =>
    refusing && records.some(({ key, value }) => key === "y" && text(value) === "2")
      ? new RecordRefusedError("a.v1", "MESSAGE_TOO_LARGE")
      : "written",
  );
  await drain(relay, 2);
  const ofKey = (key: string): string[] => [
    ...new Set(texts(log.records.filter((record) => record.key === key))),
  ];
  expect(["x", "y", "z"].map(ofKey)).toEqual([["1", "2", "3"], ["1"], ["1", "2", "3"]]);
  await put([message("a.v1", "y", 4)]);
  await drain(relay);
  expect(ofKey("y")).toEqual(["1"]);
  const [held] = await listHeld(db, schema);
  expect(held).toMatchObject({ topic: "a.v1", key: "y", error: "MESSAGE_TOO_LARGE", behind: 2 });
  expect(await waiting(db, schema)).toBe(2);
  refusing = false;
  expect(await retryHeld(db, schema, [held?.pos ?? 0n, 0n])).toEqual([held?.pos ?? 0n]);
  await drain(relay);
  expect(ofKey("y")).toEqual(["1", "2", "3", "4"]);
  expect(await waiting(db, schema)).toBe(0);
  expect(await listHeld(db, schema)).toEqual([]);
});

describe("where a connector publishes and leaves rows behind", () => {
  const late = { overdueAfterMs: 60_000 };

  test("what waited for a topic in flight is not overtaken by what came later", async () => {
    const both = Array.from({ length: 50 }, (_, n) =>
      ["slow.v1", "a.v1"].map((topic) => message(topic, "k", n)),
    );
    await put(both.flat());
    const answer = Promise.withResolvers<Fate>();
    const { relay, log } = setUp(
      ([record]) => (record?.topic === "slow.v1" ? answer.promise : "written"),
      late,
    );
    await relay.step();
    await clock.advance(60_000);
    const step = relay.step();
    while (clock.sleepers === 0) await new Promise(setImmediate);
    await clock.advance(200);
    await step;
    await relay.step();
    answer.resolve("written");
    await new Promise(setImmediate);
    for (let n = 0; n < 20; n += 1) {
      await relay.step();
      await removeSeen(log);
    }
    for (const topic of ["slow.v1", "a.v1"]) {
      const numbers = texts(log.records.filter((record) => record.topic === topic)).map(Number);
      expect({ topic, numbers }).toEqual({
        topic,
        numbers: Array.from({ length: 50 }, (_, n) => n),
      });
    }
  });

  test("what was held and is released goes before what came later of its key", async () => {
    const key = "k";
    const others = Array.from({ length: 64 }, (_, n) => message("a.v1", `o${n}`, "other"));
    await put([
      message("a.v1", key, 1),
      message("a.v1", key, 2),
      ...others,
      message("a.v1", key, 3),
    ]);
    const fates: (RecordRefusedError | "written")[] = [];
    const { relay, log } = setUp((records) => {
      const first = records.some((record) => record.key === key && text(record.value) === "1");
      return first
        ? (fates.shift() ?? new RecordRefusedError("a.v1", "MESSAGE_TOO_LARGE"))
        : "written";
    }, late);
    await relay.step();
    await clock.advance(60_000);
    for (let n = 0; n < 5; n += 1) await relay.step();
    const [held] = await listHeld(db, schema);
    fates.push("written", "written", "written");
    await retryHeld(db, schema, [held?.pos ?? 0n]);
    for (let n = 0; n < 5; n += 1) {
      await relay.step();
      await removeSeen(log);
    }
    expect(texts(log.records.filter((record) => record.key === key))).toEqual(["1", "2", "3"]);
  });
});

test("a relay that has lost its lease sets nothing aside", async () => {
  await put([message("a.v1", "k", 1), message("a.v1", "k", 2)]);
  const { relay } = setUp(async () => {
    await db.script("UPDATE escrow.outbox_lease SET token = token + 1, owner = 'another'");
    return new RecordRefusedError("a.v1", "MESSAGE_TOO_LARGE");
  });
  await relay.step();
  expect(await listHeld(db, schema)).toEqual([]);
  expect(await waiting(db, schema)).toBe(2);
});

test("begins no send near the end of its lease", async () => {
  // Two requests: together they would be too large for one.
  await put([1, 2].map((n) => message("a.v1", "k", String(n).repeat(400_000))));
  const { relay, log } = setUp(async (): Promise<Fate> => {
    await clock.advance(4_000);
    return "written";
  });
  await relay.step();
  // The step did not wait for a send that took four seconds.
  while ((await waiting(db, schema)) > 1) await new Promise(setImmediate);
  expect(log.sends).toHaveLength(1);
  await drain(relay);
  expect(log.sends).toHaveLength(2);
});

test("a request stays below half of the log's limit", async () => {
  await put(
    Array.from({ length: 30 }, (_, n) => message("a.v1", "k", `${n}:${"x".repeat(64_000)}`)),
  );
  const { relay, log } = setUp();
  await drain(relay);
  for (const send of log.sends) {
    expect(send.reduce((sum, record) => sum + recordBytes(record), 0)).toBeLessThan(
      maxPartitionBytes,
    );
  }
  expect(texts(log.records).map((value) => Number(value.split(":")[0]))).toEqual(
    Array.from({ length: 30 }, (_, n) => n),
  );
});

test("a backlog is read in growing batches", async () => {
  await put(Array.from({ length: 6_000 }, (_, n) => message("a.v1", `k${n % 500}`, n)));
  const { relay, log } = setUp();
  await drain(relay);
  const sizes = log.sends.map(({ length }) => length);
  expect(sizes[0]).toBeLessThanOrEqual(512);
  expect(Math.max(...sizes)).toBeGreaterThan(800);
  expect(log.records).toHaveLength(6_000);
});

test("a row below the floor is found once a minute", async () => {
  const { relay, log } = setUp();
  // Two rounds make a floor: one to see who is still writing, one to see that they have ended.
  for (let n = 1; n <= 4; n += 1) {
    await put([message("a.v1", "k", n)]);
    await drain(relay);
    await clock.advance(10_000);
    await drain(relay);
  }
  await db.sql`
    INSERT INTO escrow.outbox (pos, shard, id, aggregatetype, aggregateid, type, payload, headers)
    SELECT last_value - 3, ${shardOf("k")}::int, 'by hand', 'a.v1', 'k', 'test', 'late', '{}'
    FROM escrow.outbox_pos`;
  expect(await relay.step()).toBe("idle");
  await clock.advance(60_000);
  await drain(relay);
  expect(texts(log.records)).toEqual(["1", "2", "3", "4", "late"]);
});

test("takes leases for all shards, and gives them back when it stops", async () => {
  const { relay } = setUp();
  await relay.step();
  expect(await leased()).toBe(17);
  await Promise.all([relay.stop?.()]);
  expect(await leased()).toBe(0);
});

function setUp(
  fate?: (records: readonly NewRecord[]) => Fate | Promise<Fate>,
  more: { overdueAfterMs?: number } = {},
) {
  const log = createFakeLog(fate);
  owners += 1;
  const owner = `relay-${owners}`;
  const options = { db, schema, log, clock, logger: silentLogger, owner, ...more };
  return { log, relay: createRelay(options) };
}

/** What a reader of the topics does. */
async function removeSeen({ records }: { readonly records: readonly NewRecord[] }): Promise<void> {
  const seen = records.map(({ topic, headers }) => `${topic} ${headers["message-id"]}`);
  await db.sql`
    DELETE FROM escrow.outbox WHERE aggregatetype || ' ' || id = ANY(${seen}::text[])`;
}

async function put(records: readonly NewRecord[]): Promise<void> {
  await db.withTx((tx) => outbox.enqueueRaw(tx, records));
}

async function leased(): Promise<number> {
  const [row] = await db.sql<{ n: number }>`
    SELECT count(*)::int AS n FROM escrow.outbox_lease WHERE until > clock_timestamp()`;
  return row?.n ?? 0;
}

function text(value: Uint8Array): string {
  return Buffer.from(value).toString();
}

function texts(records: readonly NewRecord[]): string[] {
  return records.map(({ value }) => text(value));
}
