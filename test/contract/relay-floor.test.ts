/**
 * The relay's floor on a real PostgreSQL: it spares the walk over rows deleted under an open
 * snapshot, and never hides the row of a transaction that was still open when it was chosen.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import { type Database, SqlName, type Tx, type TxOptions } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import { createOutbox } from "#platform/messaging/outbox";
import { shardOf } from "#platform/messaging/partition";
import { silentLogger } from "#platform/telemetry/logger";
import { createRelay } from "../../src/modules/outbox/relay.ts";
import { freshPostgres } from "../support/databases.ts";
import { createFakeLog, createModuleSchema, drain, message } from "../support/outbox.ts";

const schema = "escrow";
const topic = "test.events.v1";
const clock = createManualClock();
const outbox = createOutbox({ schema, writer: "escrow", producerName: "test", clock });
let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  const fresh = await freshPostgres();
  db = openPostgres({ url: fresh.url, max: 8 });
  drop = fresh.drop;
  await createModuleSchema(db, schema);
});
afterAll(async () => {
  await db.close();
  await drop();
});
beforeEach(() => db.script("TRUNCATE escrow.outbox, escrow.outbox_held, escrow.outbox_lease"));

test("pitfall 44: a transaction that stays open for minutes is not overtaken within its key", async () => {
  const { relay, log } = setUp();
  const open = await openTransaction(async (tx) => {
    await outbox.enqueueRaw(tx, [message(topic, "k", 1)]);
  });
  const neighbour = neighbourOf("k");
  // Not as long as until the next read without a floor, which would find it anyway. Another key of
  // the same shard goes on meanwhile, far beyond the open one's position.
  for (let round = 0; round < 9; round += 1) {
    await db.withTx((tx) => outbox.enqueueRaw(tx, [message(topic, neighbour, round)]));
    await drain(relay);
    await clock.advance(10_000);
  }
  await open.commit();
  await db.withTx((tx) => outbox.enqueueRaw(tx, [message(topic, "k", 2)]));
  await drain(relay);
  const ofK = log.records.filter(({ key }) => key === "k");
  expect(ofK.map(({ value }) => Buffer.from(value).toString())).toEqual(["1", "2"]);
});

test("an idle poll stays fast while a snapshot keeps 40,000 deleted rows", async () => {
  const { relay } = setUp();
  const snapshot = await openTransaction(
    (tx) => tx.sql`SELECT count(*) FROM ${new SqlName(schema, "outbox")}`,
    { isolation: "repeatable read" },
  );
  const rows = Array.from({ length: 10_000 }, (_, n) => message(topic, `k${n % 100}`, n));
  for (let batch = 0; batch < 4; batch += 1) {
    await db.withTx((tx) => outbox.enqueueRaw(tx, rows));
    await drain(relay);
  }
  const without = await idlePollMs(relay);
  for (let round = 0; round < 3; round += 1) {
    await clock.advance(10_000);
    await drain(relay);
  }
  const withFloor = await idlePollMs(relay);
  await snapshot.commit();
  expect(withFloor).toBeLessThan(without / 2);
}, 60_000);

function setUp() {
  const log = createFakeLog();
  const relay = createRelay({ db, schema, log, clock, logger: silentLogger, owner: "relay" });
  return { log, relay };
}

/** The fastest of several: the others were disturbed by something else. */
async function idlePollMs(relay: { step(): Promise<"worked" | "idle"> }): Promise<number> {
  const times: number[] = [];
  for (let poll = 0; poll < 8; poll += 1) {
    const before = performance.now();
    expect(await relay.step()).toBe("idle");
    times.push(performance.now() - before);
  }
  return Math.min(...times);
}

/** Does `work` in a transaction that stays open until `commit`. */
async function openTransaction(
  work: (tx: Tx) => Promise<unknown>,
  options?: TxOptions,
): Promise<{ commit(): Promise<void> }> {
  const worked = Promise.withResolvers<void>();
  const committing = Promise.withResolvers<void>();
  const transaction = db.withTx(async (tx) => {
    await work(tx);
    worked.resolve();
    await committing.promise;
  }, options);
  await worked.promise;
  return {
    commit: async () => {
      committing.resolve();
      await transaction;
    },
  };
}

/** Another key of the same outbox shard. */
function neighbourOf(key: string): string {
  let n = 0;
  while (shardOf(`other-${n}`) !== shardOf(key)) n += 1;
  return `other-${n}`;
}
