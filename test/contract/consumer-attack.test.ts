/**
 * Two consumers that both believe to own all partitions, and two redrivers, on a real PostgreSQL:
 * pauses and crashes at every statement, positions that jump, poison, messages that come twice. The
 * cursor's row lock decides, not ownership; beside it the naive way, which loses and disorders.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Clock } from "#platform/clock";
import { createSystemClock } from "#platform/clock-system";
import type { Database, Tx } from "#platform/database/database";
import { TransientError } from "#platform/errors";
import { createConsumer } from "#platform/messaging/consumer";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import { createOutbox } from "#platform/messaging/outbox";
import type { Worker } from "#platform/module";
import { silentLogger } from "#platform/telemetry/logger";
import { adapters, type FreshDatabase } from "../support/databases.ts";
import { seeded } from "../support/outbox.ts";
import { createScriptedLog, type ScriptedLog } from "../support/scripted-log.ts";
import {
  createTally,
  type Note,
  noteIn,
  noteRecord,
  noteTopic,
  tallyHandler,
  writeEffects,
} from "../support/tally.ts";

const keys = ["a", "b", "c", "d"];
const attackMs = 900;
/** Nothing more happens. */
const quietMs = 1_500;
/** On a busy machine a statement may take longer than that: what is to come through is waited for. */
const patienceMs = 30_000;
const seeds = Number(Bun.env.ATTACK_SEEDS ?? "6");
const postgres = adapters.filter(({ name }) => name === "PostgreSQL");

/** Pauses, and dies now and then: before a statement, before COMMIT, or after it, unknown to the caller. */
function faulty(db: Database, chance: () => number): Database {
  const stumble = async (): Promise<void> => {
    const drawn = chance();
    if (drawn < 0.03) throw new TransientError("the connection was lost");
    if (drawn < 0.25) await Bun.sleep(chance() * 4);
  };
  const wrapTx = (tx: Tx): Tx => ({
    ...tx,
    sql: async (text, ...values) => {
      await stumble();
      return (await tx.sql(text, ...values)) as never;
    },
  });
  return {
    ...db,
    async withTx(work, options) {
      const result = await db.withTx(async (tx) => {
        const done = await work(wrapTx(tx));
        await stumble();
        return done;
      }, options);
      if (chance() < 0.05) throw new TransientError("COMMIT was cut off");
      return result;
    },
  };
}

interface Verdict {
  readonly lost: number;
  readonly twice: number;
  readonly disordered: number;
}

async function judge(db: Database, said: readonly Note[]): Promise<Verdict> {
  const rows = await db.sql<{ key: string; n: number }>`
    SELECT key, n FROM tally.effect ORDER BY seq`;
  const verdict = { lost: 0, twice: 0, disordered: 0 };
  for (const key of keys) {
    const seen = rows.filter((row) => row.key === key).map(({ n }) => n);
    const distinct = new Set(seen);
    verdict.lost += said.filter((note) => note.key === key).length - distinct.size;
    verdict.twice += seen.length - distinct.size;
    verdict.disordered += seen.filter((n, i) => n < (seen[i - 1] ?? 0)).length;
  }
  return verdict;
}

const clean: Verdict = { lost: 0, twice: 0, disordered: 0 };

for (const adapter of postgres) {
  describe(`two owners of all partitions on ${adapter.name}`, () => {
    let fresh: FreshDatabase;
    beforeAll(async () => {
      fresh = await adapter.open();
    }, 60_000);
    const begin = async (): Promise<void> => {
      await fresh.db.script("DROP SCHEMA IF EXISTS tally CASCADE");
      await createTally(fresh.db);
      await fresh.db.sql`INSERT INTO tally.poison SELECT unnest(${keys.slice(0, 3)}::text[])`;
    };
    const blockedKeys = () => fresh.db.sql`SELECT key FROM tally.blocked_key`;
    beforeEach(begin);
    afterAll(async () => fresh.drop(), 60_000);

    for (let seed = 1; seed <= seeds; seed += 1) {
      // Without dedupe in the handler only the cursor and the locks are left to keep the count.
      const dedupes = seed % 3 === 0;
      const handler = dedupes ? "a handler that dedupes" : "a bare handler";
      test(`E14: nothing lost, twice or out of order, ${handler} (seed ${seed})`, async () => {
        const chance = seeded(seed);
        // Several partitions are taken into one transaction.
        const log = createScriptedLog(seed % 2 === 0 ? 3 : 1);
        const workers = ourWorkers({ real: fresh.db, log, chance, dedupes });
        const settled = async (said: readonly Note[]) =>
          (await judge(fresh.db, said)).lost === 0 && (await blockedKeys()).length === 0;
        const said = await attack({
          db: fresh.db,
          log,
          chance,
          workers,
          repeats: dedupes,
          settled,
        });
        expect(said.length).toBeGreaterThan(50);
        expect(workers.map((worker) => worker.problem?.()).filter(Boolean)).toEqual([]);
        expect(await judge(fresh.db, said)).toEqual(clean);
        expect(await blockedKeys()).toEqual([]);
      }, 60_000);
    }

    const naive: [string, NaiveWays, keyof Verdict][] = [
      ["a dedupe row kept when the message is parked loses it", { dedupe: "kept" }, "lost"],
      ["parking without blocking the key breaks its order", { dedupe: "given back" }, "disordered"],
      ["positions without a lock count twice", { dedupe: "none" }, "twice"],
    ];
    test.each(naive)(
      "E14, the naive way: %s",
      async (_, ways, broken) => {
        // On a busy machine little happens in one attack.
        let found = 0;
        for (let seed = 1; seed <= 10 && found === 0; seed += 1) {
          await begin();
          const chance = seeded(seed);
          const log = createScriptedLog();
          const workers = naiveWorkers(faulty(fresh.db, chance), log, ways);
          const said = await attack({ db: fresh.db, log, chance, workers, repeats: false });
          found = (await judge(fresh.db, said))[broken];
        }
        expect(found).toBeGreaterThan(0);
      },
      120_000,
    );
  });
}

interface OurWorkers {
  readonly real: Database;
  readonly log: ScriptedLog;
  readonly chance: () => number;
  readonly dedupes: boolean;
}

function ourWorkers({ real, log, chance, dedupes }: OurWorkers): Worker[] {
  const clock = quick(createSystemClock());
  const common = {
    handler: tallyHandler({ dedupes }),
    schema: "tally",
    db: faulty(real, chance),
    log: pausing(log, chance),
    outbox: createOutbox({ schema: "tally", writer: "tally", producerName: "test", clock }),
    clock,
    logger: silentLogger,
    pollMs: 0,
    // Poison comes and goes here: nothing may die of it.
    redriveDelaysMs: Array.from({ length: 1_000 }, () => 5),
    hiccupMs: 5,
    maxRecords: 5,
  };
  return [
    createConsumer(common),
    createConsumer(common),
    createRedrive(common),
    createRedrive(common),
  ];
}

/** After a failure partitions go alone for a while: here not for longer than ten milliseconds. */
function quick(clock: Clock): Clock {
  return { ...clock, monotonicMs: () => clock.monotonicMs() * 1_000 };
}

/** A member that falls asleep with a batch in hand, while another one takes its partition. */
function pausing(log: ScriptedLog, chance: () => number): ScriptedLog {
  return {
    ...log,
    subscribe(options) {
      const subscription = log.subscribe(options);
      return {
        ...subscription,
        async poll(waitMs) {
          const batch = await subscription.poll(waitMs);
          if (chance() < 0.2) await Bun.sleep(chance() * 30);
          return batch;
        },
      };
    },
  };
}

interface Attack {
  readonly db: Database;
  readonly log: ScriptedLog;
  readonly chance: () => number;
  readonly workers: readonly Worker[];
  /** Some messages are in the log twice. */
  readonly repeats: boolean;
  /** Has all come through? Absent where something is lost. */
  readonly settled?: (said: readonly Note[]) => Promise<boolean>;
}

/**
 * All workers side by side; whatever a step throws is tried again. Meanwhile messages come, poison
 * comes and goes, and positions are set back. Then it is quiet, until nothing happens any more.
 * Resolves to what was said.
 */
async function attack(options: Attack): Promise<Note[]> {
  const { db, log, chance, workers, repeats, settled = async () => true } = options;
  for (const worker of workers) await worker.start?.();
  const said: Note[] = [];
  const start = performance.now();
  let movedAt = start;
  let running = true;
  const loops = workers.map(async (worker) => {
    while (running) {
      const did = await worker.step().catch(() => "failed" as const);
      if (did !== "idle") movedAt = performance.now();
      if (did !== "worked") await Bun.sleep(1);
    }
  });
  while (performance.now() < start + attackMs) {
    for (let i = 0; i < 4; i += 1) said.push(say(log, said.length, chance, repeats));
    const key = pick(keys, chance);
    if (chance() < 0.3)
      await db.sql`INSERT INTO tally.poison VALUES (${key}) ON CONFLICT DO NOTHING`;
    if (chance() < 0.3) await db.sql`DELETE FROM tally.poison WHERE key = ${key}`;
    if (chance() < 0.2) jump(log, chance);
    await Bun.sleep(chance() * 8);
  }
  await db.sql`DELETE FROM tally.poison`;
  const deadline = performance.now() + patienceMs;
  movedAt = performance.now();
  const isQuiet = () => performance.now() - movedAt >= quietMs;
  while (performance.now() < deadline && !(isQuiet() && (await settled(said)))) await Bun.sleep(20);
  running = false;
  await Promise.all(loops);
  return said;
}

/** To anywhere between the beginning and the end of one partition. */
function jump(log: ScriptedLog, chance: () => number): void {
  const partition = Math.floor(chance() * log.partitions);
  const at = Math.floor(chance() * Number(log.end(noteTopic.name, partition)));
  log.jump(noteTopic.name, partition, BigInt(at));
}

function say(log: ScriptedLog, count: number, chance: () => number, repeats: boolean): Note {
  const key = pick(keys, chance);
  const note = { id: `${key}${count}`, key, n: count, ...(chance() < 0.2 && { does: "poison" }) };
  const partition = keys.indexOf(key) % log.partitions;
  log.append({ ...noteRecord(note), partition });
  if (repeats && chance() < 0.15) log.append({ ...noteRecord(note), partition });
  return note;
}

function pick<T>(among: readonly T[], chance: () => number): T {
  return among[Math.floor(chance() * among.length)] as T;
}

interface NaiveWays {
  readonly dedupe: "kept" | "given back" | "none";
}

/**
 * As it is often written: a dedupe row per message, taken first; the position in memory, moved after
 * the commit; what fails is set aside alone. Its redrive takes the same dedupe row.
 */
function naiveWorkers(db: Database, log: ScriptedLog, { dedupe }: NaiveWays): Worker[] {
  const parked: Note[] = [];
  const apply = (note: Note): Promise<void> =>
    db.withTx(async (tx) => {
      const { id, key, n } = note;
      if (dedupe !== "none") {
        const [claimed] = await tx.sql`
          INSERT INTO tally.outcome (id, key, n) VALUES (${id}, ${key}, ${n})
          ON CONFLICT DO NOTHING RETURNING id`;
        if (claimed === undefined) return;
      }
      const [ill] = await tx.sql`SELECT key FROM tally.poison WHERE key = ${key}`;
      if (note.does !== "poison" || ill === undefined) return writeEffects(tx, [note]);
      parked.push(note);
      if (dedupe === "given back") await tx.sql`DELETE FROM tally.outcome WHERE id = ${id}`;
    });
  const redrive: Worker = {
    name: "redrive",
    idleMs: 0,
    async step() {
      const note = parked.shift();
      if (note === undefined) return "idle";
      await Bun.sleep(5);
      await apply(note);
      return "worked";
    },
  };
  return [naiveOwner("one", log, apply), naiveOwner("two", log, apply), redrive];
}

function naiveOwner(name: string, log: ScriptedLog, apply: (note: Note) => Promise<void>): Worker {
  const subscription = log.subscribe({
    group: "naive",
    topics: [noteTopic.name],
    startAt: async () => 0n,
    maxRecords: 5,
  });
  return {
    name,
    idleMs: 0,
    async step() {
      const batch = await subscription.poll(0);
      if (batch === null) return "idle";
      for (const record of batch.records) await apply(noteIn(record));
      await batch.done((batch.records.at(-1)?.offset ?? 0n) + 1n);
      return "worked";
    },
  };
}
