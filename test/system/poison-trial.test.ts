/**
 * The trial of a poisoned stream: 10,000 messages, one in a hundred poison, over 50 keys of 250. All
 * other keys flow as fast as in the same run without poison, and after a replay every key has had
 * all of its messages in order.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSystemClock } from "#platform/clock-system";
import type { Database } from "#platform/database/database";
import { loadMigrations } from "#platform/database/migration-files";
import { openPostgres } from "#platform/database/postgres";
import { createConsumer } from "#platform/messaging/consumer";
import { replayLetters } from "#platform/messaging/dead-letters/letter-actions";
import { listLetters } from "#platform/messaging/dead-letters/letters";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import type { EventLog } from "#platform/messaging/event-log";
import { createKafkaLog } from "#platform/messaging/kafka/log";
import { createOutbox } from "#platform/messaging/outbox";
import { createTableLog } from "#platform/messaging/table/log";
import { silentLogger } from "#platform/telemetry/logger";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { eventually, unique } from "../support/logs.ts";
import { createTally, type Note, noteRecord, noteTopic, tallyHandler } from "../support/tally.ts";

const messages = 10_000;
const keys = 250;
const poisonedKeys = 50;
const chunk = 100;
/** 2,000 a second: what is measured is how long messages take, not how many there are. */
const everyMs = 50;
/** Allowed ratio of p95 with poison to p95 without; on top, one send interval. */
const mostSlower = 1.5;
/** A busy machine makes any round slow; poison that holds others back makes each poisoned one slow. */
const leastRounds = 3;
const mostRounds = 6;

const clock = createSystemClock();
const kinds = [
  { kind: "tables of PostgreSQL", brokers: undefined },
  ...(process.env.KAFKA_BROKERS === undefined
    ? []
    : [{ kind: "Kafka", brokers: process.env.KAFKA_BROKERS }]),
];

describe.each([...kinds])("a poisoned stream in $kind", ({ brokers }) => {
  let postgres: FreshPostgres;
  let db: Database;
  beforeAll(async () => {
    postgres = await freshPostgres();
    db = openPostgres({ url: postgres.url, max: 8 });
    const { modules } = await loadMigrations();
    await db.script("CREATE SCHEMA log");
    for (const { sql } of modules.get("log") ?? []) {
      await db.script(sql.replaceAll("{{schema}}", "log"));
    }
  }, 60_000);
  afterAll(async () => {
    await db?.close();
    await postgres?.drop();
  }, 60_000);

  test("K3: other keys flow as without it, and a replay brings every key in order", async () => {
    const rounds: Round[] = [];
    // The first run of all is slow by itself, and would excuse the others.
    await run(openLog(), false);
    // In turn, so that whatever else the machine does falls on both kinds.
    while (rounds.length < mostRounds) {
      const clean = await run(openLog(), false);
      const poisoned = await run(openLog(), true);
      rounds.push({ cleanMs: clean.p95Ms, poisonedMs: poisoned.p95Ms });
      if (rounds.length >= leastRounds && isAsFast(rounds)) return;
    }
    throw new Error(`poison holds others back: ${JSON.stringify(rounds)}`);
  }, 600_000);

  function openLog(): EventLog {
    return brokers === undefined
      ? createTableLog({ db, clock, logger: silentLogger, memberId: unique("trial") })
      : createKafkaLog({
          brokers: brokers.split(","),
          clientId: "trial",
          logger: silentLogger,
        });
  }

  async function run(log: EventLog, poison: boolean): Promise<{ p95Ms: number }> {
    await db.script("DROP SCHEMA IF EXISTS tally CASCADE");
    await createTally(db);
    const topic = { ...noteTopic, name: `${unique("notes")}.v1`, partitions: 6 };
    await log.ensureTopics([topic]);
    const sentAt = new Map<string, number>();
    const tookMs = new Map<string, number>();
    const handler = tallyHandler({
      topic,
      before: (notes) => {
        for (const { id } of notes) {
          // Of several attempts the last one stands: those before were undone for another's poison.
          tookMs.set(id, performance.now() - (sentAt.get(id) ?? 0));
        }
      },
    });
    const outbox = createOutbox({ schema: "tally", writer: "tally", producerName: "test", clock });
    const options = { handler, schema: "tally", db, outbox, clock, logger: silentLogger };
    // Nothing is tried again by itself: the replay is to do it.
    const consumer = createConsumer({ ...options, log, redriveDelaysMs: [3_600_000] });
    const redrive = createRedrive(options);
    for (let key = 0; poison && key < poisonedKeys; key += 1) {
      await db.sql`INSERT INTO tally.poison (key) VALUES (${`key-${key}`})`;
    }
    let going = true;
    await consumer.start?.();
    const lanes = Array.from({ length: 3 }, async () => {
      while (going) await consumer.step();
    });
    try {
      const notes = notesOf(poison);
      await eventually(() => consumer.problem?.() === undefined, 60_000);
      const producer = log.createProducer();
      for (let from = 0; from < messages; from += chunk) {
        const part = notes.slice(from, from + chunk);
        const now = performance.now();
        for (const { id } of part) sentAt.set(id, now);
        await producer.send(part.map((note) => ({ ...noteRecord(note), topic: topic.name })));
        await clock.sleep(Math.max(0, everyMs - (performance.now() - now)));
      }
      await producer.close();
      const count = async () => {
        const [row] = await db.sql<{ n: number }>`
          SELECT (SELECT count(*) FROM tally.effect)::int
            + (SELECT count(*) FROM tally.parked)::int AS n`;
        return row?.n ?? 0;
      };
      await eventually(async () => (await count()) >= messages, 60_000);
      expect(consumer.problem?.()).toBeUndefined();
      if (poison) await replayAll(redrive);
      await expectOrder();
      const healthy = notes.filter(({ key }) => Number(key.slice(4)) >= poisonedKeys);
      return { p95Ms: p95(healthy.map(({ id }) => tookMs.get(id) ?? Number.POSITIVE_INFINITY)) };
    } finally {
      going = false;
      await Promise.all(lanes);
      await consumer.stop?.();
      await log.close();
    }
  }

  /** One dead message a key, all others behind it; mended, replayed at a rate, and through. */
  async function replayAll(redrive: { step(): Promise<"worked" | "idle"> }): Promise<void> {
    const letters = await listLetters(db, "tally", {}, 1_000);
    expect(letters).toHaveLength(poisonedKeys);
    await db.sql`DELETE FROM tally.poison`;
    const replays = letters.map((place, n) => ({ place, key: place.key, delayMs: n * 5 }));
    const act = { askedBy: "test|ann", reason: "the trial" };
    expect(await replayLetters(db, "tally", replays, act)).toHaveLength(poisonedKeys);
    const parked = async () => (await db.sql`SELECT FROM tally.parked LIMIT 1`).length;
    await eventually(async () => {
      await redrive.step();
      return (await parked()) === 0;
    }, 60_000);
  }

  async function expectOrder(): Promise<void> {
    const rows = await db.sql<{ key: string; n: number; place: number }>`
      SELECT key, n, (row_number() OVER (PARTITION BY key ORDER BY seq))::int AS place
      FROM tally.effect`;
    expect(rows).toHaveLength(messages);
    expect(rows.filter(({ n, place }) => n !== place)).toEqual([]);
  }
});

/** Round by round over all keys; two messages of each poisoned key are poison: one in a hundred. */
function notesOf(poison: boolean): Note[] {
  return Array.from({ length: messages }, (_, i): Note => {
    const [key, n] = [i % keys, Math.floor(i / keys) + 1];
    const bad = poison && key < poisonedKeys && (n === 5 + (key % 20) || n === 30);
    return { id: `${key}/${n}`, key: `key-${key}`, n, ...(bad && { does: "poison" }) };
  });
}

interface Round {
  readonly cleanMs: number;
  readonly poisonedMs: number;
}

/** The best clean round beside the second best poisoned one: once may be luck. */
function isAsFast(rounds: readonly Round[]): boolean {
  const cleanMs = Math.min(...rounds.map((round) => round.cleanMs));
  const [, poisonedMs = Number.POSITIVE_INFINITY] = rounds
    .map((round) => round.poisonedMs)
    .sort((a, b) => a - b);
  return poisonedMs <= cleanMs * mostSlower + everyMs;
}

function p95(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.95)] ?? Number.POSITIVE_INFINITY;
}
