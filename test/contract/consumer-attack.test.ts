/**
 * Two consumers that both believe to own the partition, and a redriver, on a real PostgreSQL: pauses
 * and crashes at every statement, poison, messages that come twice. The cursor's row lock decides,
 * not ownership; beside it the naive way, which loses.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createSystemClock } from "#platform/clock-system";
import type { Database, Tx } from "#platform/database";
import { TransientError } from "#platform/errors";
import { silentLogger } from "#platform/logger";
import { createConsumer } from "#platform/messaging/consumer";
import { createOutbox } from "#platform/messaging/outbox";
import { createRedrive } from "#platform/messaging/redrive";
import type { Worker } from "#platform/module";
import { adapters, type FreshDatabase } from "../support/databases.ts";
import { seeded } from "../support/outbox.ts";
import { createScriptedLog, type ScriptedLog } from "../support/scripted-log.ts";
import { createTally, noteRecord, tallyHandler, writeEffects } from "../support/tally.ts";

const keys = ["a", "b", "c", "d"];
const perKey = 12;
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

/** In the order of the log: notes of each key in turn, some twice, some poisonous until cured. */
function fill(log: ScriptedLog, chance: () => number): void {
  for (let n = 1; n <= perKey; n += 1) {
    for (const key of keys) {
      const note = { id: `${key}${n}`, key, n, ...(chance() < 0.1 && { does: "poison" }) };
      log.append({ ...noteRecord(note), partition: 0 });
      if (chance() < 0.15) log.append({ ...noteRecord(note), partition: 0 });
    }
  }
}

interface Verdict {
  readonly lost: number;
  readonly twice: number;
  readonly disordered: number;
}

async function judge(db: Database): Promise<Verdict> {
  const rows = await db.sql<{ key: string; n: number }>`
    SELECT key, n FROM tally.effect ORDER BY seq`;
  const verdict = { lost: 0, twice: 0, disordered: 0 };
  for (const key of keys) {
    const seen = rows.filter((row) => row.key === key).map(({ n }) => n);
    const distinct = new Set(seen);
    verdict.lost += perKey - distinct.size;
    verdict.twice += seen.length - distinct.size;
    verdict.disordered += seen.filter((n, i) => i > 0 && n < (seen[i - 1] ?? 0)).length;
  }
  return verdict;
}

for (const adapter of postgres) {
  describe(`two owners of one partition on ${adapter.name}`, () => {
    let fresh: FreshDatabase;
    beforeEach(async () => {
      fresh = await adapter.open();
      await createTally(fresh.db);
    });
    afterEach(async () => fresh.drop());

    for (let seed = 1; seed <= seeds; seed += 1) {
      test(`E14: nothing lost, nothing twice, nothing out of order (seed ${seed})`, async () => {
        const chance = seeded(seed);
        const log = createScriptedLog();
        fill(log, chance);
        for (const key of keys.slice(0, 3)) {
          await fresh.db.sql`INSERT INTO tally.poison (key) VALUES (${key})`;
        }
        const common = {
          handler: tallyHandler(),
          schema: "tally",
          db: faulty(fresh.db, chance),
          log,
          outbox: createOutbox({
            schema: "tally",
            writer: "tally",
            producerName: "test",
            clock: createSystemClock(),
          }),
          clock: createSystemClock(),
          logger: silentLogger,
          pollMs: 0,
          // Poison must outlive many tries here: it is cured half-way.
          retryDelaysMs: Array.from({ length: 1_000 }, () => 5),
          maxRecords: 5,
        };
        const workers = [
          createConsumer(common),
          createConsumer(common),
          createRedrive(common),
          createRedrive(common),
        ];
        let curing = true;
        const cure = Bun.sleep(400).then(async () => {
          await fresh.db.sql`DELETE FROM tally.poison`;
          curing = false;
        });
        await runUntil(workers, async () => !curing && (await judge(fresh.db)).lost === 0);
        await cure;
        expect(await judge(fresh.db)).toEqual({ lost: 0, twice: 0, disordered: 0 });
      });
    }

    test("E14: without the cursor's lock the same attack breaks the order or the count", async () => {
      const broken = { lost: 0, twice: 0, disordered: 0 };
      for (let seed = 1; seed <= 3; seed += 1) {
        const chance = seeded(seed);
        await fresh.db.script("TRUNCATE tally.effect, tally.outcome");
        await Promise.all([
          naiveOwner(faulty(fresh.db, chance), chance),
          naiveOwner(faulty(fresh.db, chance), chance),
        ]);
        const { lost, twice, disordered } = await judge(fresh.db);
        broken.lost += lost;
        broken.twice += twice;
        broken.disordered += disordered;
      }
      expect(broken.lost + broken.twice + broken.disordered).toBeGreaterThan(0);
    });
  });
}

/** All workers step side by side until `done`; whatever a step throws is tried again. */
async function runUntil(workers: readonly Worker[], done: () => Promise<boolean>): Promise<void> {
  for (const worker of workers) await worker.start?.();
  const deadline = performance.now() + 25_000;
  let running = true;
  const loops = workers.map(async (worker) => {
    while (running) {
      const did = await worker.step().catch(() => "failed" as const);
      if (did !== "worked") await Bun.sleep(2);
    }
  });
  while (performance.now() < deadline && !(await done())) await Bun.sleep(20);
  running = false;
  await Promise.all(loops);
}

/**
 * As it is often written: own the partition, take a dedupe row per message, do the work, commit the
 * position in memory. A message that fails keeps its dedupe row, so that its retry does nothing.
 */
async function naiveOwner(db: Database, chance: () => number): Promise<void> {
  for (let n = 1; n <= perKey; n += 1) {
    for (const key of keys) {
      const note = { id: `${key}${n}`, key, n };
      await db
        .withTx(async (tx) => {
          const [fresh] = await tx.sql`
            INSERT INTO tally.outcome (id, key, n) VALUES (${`seen-${note.id}`}, ${key}, ${n})
            ON CONFLICT DO NOTHING RETURNING id`;
          if (!fresh) return;
          if (chance() < 0.1) return;
          await writeEffects(tx, [note]);
        })
        .catch(() => undefined);
    }
  }
}
