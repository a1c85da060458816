/**
 * ADR 7 on a real slot: rows that a connector publishes go once it has confirmed them, and not before,
 * whatever becomes of its slot. PostgreSQL's own receiver plays the connector; stopped, it confirms
 * nothing and yet reads.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createSystemClock } from "#platform/clock-system";
import type { Database } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import { createOutbox } from "#platform/messaging/outbox";
import type { Worker } from "#platform/module";
import { postgresPrograms } from "../../scripts/backing/install.ts";
import { createConfirmedRows } from "../../src/modules/outbox/confirmed-rows.ts";
import { freshPostgres } from "../support/databases.ts";
import { createModuleSchema, message, waiting } from "../support/outbox.ts";

const schema = "escrow";
const slot = `app_${randomBytes(4).toString("hex")}`;
const clock = createSystemClock();
const outbox = createOutbox({ schema, writer: schema, producerName: "test", clock });
const receiver = join((await postgresPrograms()) ?? "", "pg_recvlogical");

let db: Database;
let url: string;
let drop: () => Promise<void>;
let reader: Bun.Subprocess | undefined;
let worker: Worker;

const write = () => db.withTx((tx) => outbox.enqueueRaw(tx, [message("t", "k", 1)]));

async function until(ask: () => Promise<boolean>): Promise<void> {
  const late = performance.now() + 30_000;
  while (!(await ask())) {
    if (performance.now() > late) throw new Error("it did not come to be");
    await Bun.sleep(50);
  }
}

/** A new slot at the log's end, and a process that reads it. */
async function read(): Promise<void> {
  await db.sql`SELECT pg_create_logical_replication_slot(${slot}, 'pgoutput')`;
  const options = ["-o", "proto_version=1", "-o", "publication_names=p", "--status-interval=1"];
  const [from, to] = [
    ["-d", url, "-S", slot, "--start"],
    ["-f", "/dev/null", "--no-loop"],
  ];
  reader = Bun.spawn([receiver, ...from, ...options, "--fsync-interval=1", ...to]);
  await until(async () => {
    const [found] = await db.sql<{ pid: number | null }>`
      SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = ${slot}`;
    return found?.pid != null;
  });
}

async function loseSlot(): Promise<void> {
  reader?.kill("SIGKILL");
  await reader?.exited;
  reader = undefined;
  await db.sql`
    SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = ${slot}`;
  await until(async () => {
    const dropped = await db.sql`
      SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
      WHERE slot_name = ${slot} AND active_pid IS NULL`;
    const left = await db.sql`SELECT 1 FROM pg_replication_slots WHERE slot_name = ${slot}`;
    return dropped.length > 0 || left.length === 0;
  });
}

async function steps(count: number): Promise<void> {
  for (let step = 0; step < count; step += 1) await worker.step();
}

// A server in a container brings no programs along.
if (existsSync(receiver)) {
  beforeAll(async () => {
    const fresh = await freshPostgres();
    ({ url, drop } = fresh);
    db = openPostgres({ url, max: 4 });
    await createModuleSchema(db, schema);
    await db.script(`CREATE PUBLICATION p FOR TABLE ${schema}.outbox`);
  }, 60_000);
  beforeEach(async () => {
    if (db !== undefined) {
      await loseSlot();
      await db.script(`TRUNCATE ${schema}.outbox`);
    }
    worker = createConfirmedRows({ db, schema, slot, clock, graceMs: 0 });
  });
  afterAll(async () => {
    await loseSlot();
    await db.close();
    await drop();
  }, 60_000);

  test("without a slot nothing goes", async () => {
    await write();
    await steps(3);
    expect(await waiting(db, schema)).toBe(1);
  });

  test("rows go once they are confirmed, and not while the reader has not", async () => {
    await read();
    reader?.kill("SIGSTOP");
    await write();
    await steps(5);
    expect(await waiting(db, schema)).toBe(1);
    reader?.kill("SIGCONT");
    await until(async () => {
      // The log goes on, as it does under a connector's heartbeat.
      await db.sql`SELECT pg_logical_emit_message(false, 'test', '')`;
      return (await worker.step()) === "worked";
    });
    expect(await waiting(db, schema)).toBe(0);
  }, 60_000);

  test("a row that is held back keeps a connector from taking over", async () => {
    await write();
    await db.script(`
      INSERT INTO ${schema}.outbox_held
        (pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, error)
      SELECT pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, 'refused'
      FROM ${schema}.outbox`);
    await expect(worker.start?.()).rejects.toThrow("held back");
    await db.script(`TRUNCATE ${schema}.outbox_held`);
    await worker.start?.();
  });

  test("confirmed is not acknowledged: rows wait out the grace under the same reader", async () => {
    let elapsedMs = 0;
    const patient = { ...clock, monotonicMs: () => elapsedMs };
    worker = createConfirmedRows({ db, schema, slot, clock: patient, graceMs: 90_000 });
    await read();
    await write();
    await worker.step();
    for (let n = 0; n < 30; n += 1) {
      await db.sql`SELECT pg_logical_emit_message(false, 'test', '')`;
      await Bun.sleep(100);
      expect(await worker.step()).toBe("idle");
    }
    elapsedMs = 90_000;
    expect(await worker.step()).toBe("worked");
    expect(await waiting(db, schema)).toBe(0);
  }, 60_000);

  test("a slot made anew proves nothing of what was noted under the one before", async () => {
    await read();
    reader?.kill("SIGSTOP");
    await write();
    await steps(2);
    await loseSlot();
    // Further than the row, and nobody has published it.
    await db.sql`SELECT pg_logical_emit_message(false, 'test', '')`;
    await read();
    reader?.kill("SIGSTOP");
    await steps(3);
    expect(await waiting(db, schema)).toBe(1);
  }, 60_000);
}
