/**
 * Two relays on one outbox, on a real PostgreSQL, while leases are taken away at any point, relays
 * stand still, replies get lost, appends come late and the broker is away: nothing is lost and
 * first occurrences keep their order. The same run finds the faults of two naive relays.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSystemClock } from "#platform/clock-system";
import { type Database, SqlName } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import type { LogProducer } from "#platform/messaging/event-log";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import { createRelay } from "../../src/modules/outbox/relay.ts";
import { createOutboxRows, type OutboxRow } from "../../src/modules/outbox/rows.ts";
import { freshPostgres } from "../support/databases.ts";
import {
  createFakeLog,
  createModuleSchema,
  type FakeLog,
  type Fate,
  type Judgement,
  judge,
  message,
  seeded,
  waiting,
} from "../support/outbox.ts";

const schema = "escrow";
const topic = "test.events.v1";
const keys = ["a", "b", "c", "d", "e"];
const clock = createSystemClock();
const outbox = createOutbox({ schema, writer: "escrow", producerName: "test", clock });
const seeds = Number(process.env.RELAY_SEEDS ?? 40);

type Relay = { step(): Promise<"worked" | "idle">; stop?(): Promise<void> };
type MakeRelay = (options: { db: Database; log: FakeLog; owner: string }) => Relay;

let db: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  const fresh = await freshPostgres();
  db = openPostgres({ url: fresh.url, max: 12 });
  drop = fresh.drop;
  await createModuleSchema(db, schema);
  await db.script("CREATE TABLE aggregate (id text PRIMARY KEY, version int NOT NULL)");
});
afterAll(async () => {
  await db.close();
  await drop();
});

const ours: MakeRelay = ({ db: own, log, owner }) =>
  createRelay({
    db: own,
    schema,
    log,
    clock,
    logger: silentLogger,
    owner,
    batchSize: 8,
    leaseMs: 250,
  });

describe("two relays, leases lost at any point", () => {
  test("pitfall 44: ours loses nothing and inverts nothing", async () => {
    const total = await judgeMany(ours, seeds);
    expect(total).toMatchObject({ lost: 0, inversions: 0 });
    // The faults did happen: without repeats this would have tested nothing.
    expect(total.repeats).toBeGreaterThan(seeds);
  }, 120_000);

  test("deleting up to the highest position read loses what committed late", async () => {
    expect((await judgeMany(naive({ remove: "range", when: "after" }), 10)).lost).toBeGreaterThan(
      0,
    );
  }, 60_000);

  test("marking before the acknowledgement loses what was not written", async () => {
    expect((await judgeMany(naive({ remove: "exact", when: "before" }), 10)).lost).toBeGreaterThan(
      0,
    );
  }, 60_000);

  test("the frame of the naive relays is not what loses: exact and after holds", async () => {
    const total = await judgeMany(naive({ remove: "exact", when: "after" }), 10);
    expect(total).toMatchObject({ lost: 0, inversions: 0 });
  }, 60_000);
});

async function judgeMany(make: MakeRelay, count: number): Promise<Judgement> {
  const total = { inversions: 0, lost: 0, repeats: 0 };
  for (let seed = 1; seed <= count; seed += 1) {
    const { inversions, lost, repeats } = await run(seed, make);
    total.inversions += inversions;
    total.lost += lost;
    total.repeats += repeats;
    if (make === ours && inversions + lost > 0)
      throw new Error(`seed ${seed}: ${inversions} inverted, ${lost} lost`);
  }
  return total;
}

/** One history: three writers, two relays, faults; then a quiet end in which all must arrive. */
async function run(seed: number, make: MakeRelay): Promise<Judgement> {
  await db.script("TRUNCATE aggregate, escrow.outbox, escrow.outbox_held, escrow.outbox_lease");
  await db.sql`INSERT INTO aggregate SELECT unnest(${keys}::text[]), 0`;
  const random = seeded(seed);
  const faults = { on: true, downUntil: clock.monotonicMs() + random() * 60 };
  const log = createFakeLog(async () => {
    // Now and then long enough for the other relay to send the same rows meanwhile.
    await clock.sleep(random() * (faults.on && random() < 0.05 ? 120 : 3));
    return faults.on ? fate(random, clock.monotonicMs() < faults.downUntil) : "written";
  });
  const unsteady = failpoints(db, async () => {
    if (!faults.on || random() > 0.08) return;
    await db.sql`UPDATE escrow.outbox_lease SET until = '-infinity' WHERE shard < 16`;
    await clock.sleep(random() * 60);
  });
  const relays = ["one", "two"].map((owner) =>
    make({ db: unsteady, log, owner: `${owner}.${seed}` }),
  );
  const running = { on: true };
  const looping = relays.map((relay) => loop(relay, running));
  const said = await write(random);
  faults.on = false;
  const until = clock.monotonicMs() + 20_000;
  while ((await waiting(db, schema)) > 0 && clock.monotonicMs() < until) await clock.sleep(5);
  const left = await waiting(db, schema);
  running.on = false;
  await Promise.all(looping);
  // Not the same as lost: on a machine that stands still every lease ends before a send begins.
  if (left > 0) throw new Error(`seed ${seed}: ${left} rows were still waiting, all faults over`);
  for (const relay of relays) await relay.stop?.();
  log.flush();
  return judge(log.records, said);
}

function fate(random: () => number, down: boolean): Fate {
  const drawn = random();
  if (down) return drawn < 0.5 ? "not written" : "reply lost";
  if (drawn < 0.1) return "reply lost";
  if (drawn < 0.2) return "not written";
  return drawn < 0.3 ? "late" : "written";
}

async function loop(relay: Relay, running: { on: boolean }): Promise<void> {
  while (running.on) {
    const outcome = await relay.step().catch(() => "idle");
    if (outcome === "idle") await clock.sleep(1);
  }
}

/** Each transaction locks its key's aggregate first and writes the outbox last, then may linger. */
async function write(random: () => number): Promise<Map<string, number>> {
  const said = new Map<string, number>();
  const writer = async (): Promise<void> => {
    for (let i = 0; i < 12; i += 1) {
      const key = keys[Math.floor(random() * keys.length)] ?? "a";
      await db.withTx(async (tx) => {
        const [row] = await tx.sql<{ version: number }>`
          UPDATE aggregate SET version = version + 2 WHERE id = ${key} RETURNING version`;
        const version = row?.version ?? 0;
        await outbox.enqueueRaw(tx, [
          message(topic, key, version - 1),
          message(topic, key, version),
        ]);
        said.set(key, version);
        if (random() < 0.4) await clock.sleep(random() * 25);
      });
    }
  };
  await Promise.all([writer(), writer(), writer()]);
  return said;
}

/** The database as a relay has it, with something happening before any of its statements. */
function failpoints(target: Database, before: () => Promise<void>): Database {
  return {
    ...target,
    sql: async (text, ...values) => {
      await before();
      return target.sql(text, ...values);
    },
  };
}

/** The relay one writes first: all rows in order of position, without leases. */
function naive({
  remove,
  when,
}: {
  remove: "exact" | "range";
  when: "before" | "after";
}): MakeRelay {
  return ({ db: own, log }) => {
    const rows = createOutboxRows(own, schema);
    const leases = Array.from({ length: 16 }, (_, shard) => ({ shard, token: 0n }));
    const floors = leases.map(() => 0n);
    let producer: LogProducer = log.createProducer();
    const forget = async (sent: readonly OutboxRow[]): Promise<void> => {
      const highest = sent.at(-1)?.pos ?? 0n;
      if (remove === "exact") await rows.remove(sent.map(({ pos }) => pos));
      else
        await own.sql`DELETE FROM ${new SqlName(schema, "outbox")} WHERE pos <= ${highest}::bigint`;
    };
    return {
      step: async () => {
        const found = await rows.read({ leases, floors, paused: [], perShard: 8 });
        if (found.length === 0) return "idle";
        if (when === "before") await forget(found);
        try {
          await producer.send(found);
        } catch {
          producer = log.createProducer();
          return "idle";
        }
        if (when === "after") await forget(found);
        return "worked";
      },
    };
  };
}
