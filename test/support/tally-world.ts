/**
 * A consumer's whole world for one test: the tally's tables made anew, a log in memory that
 * misbehaves on request, and consumers and redrivers over both.
 */
import { afterAll, beforeAll, beforeEach } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import type { Database } from "#platform/database/database";
import { createConsumer, type Handled } from "#platform/messaging/consumer";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import { createOutbox, type Outbox } from "#platform/messaging/outbox";
import type { Worker } from "#platform/module";
import { silentLogger } from "#platform/telemetry/logger";
import type { adapters, FreshDatabase } from "./databases.ts";
import { createScriptedLog, type ScriptedLog } from "./scripted-log.ts";
import { createTally, type Note, noteRecord, type TallyHandler, tallyHandler } from "./tally.ts";

export interface OutboxRow {
  readonly aggregatetype: string;
  readonly aggregateid: string;
  readonly payload: Uint8Array;
  readonly headers: Record<string, string>;
}

/** Call inside `describe`: every test gets a log and tables of its own. */
export function tallyWorld(adapter: (typeof adapters)[number]) {
  let fresh: FreshDatabase;
  let log: ScriptedLog;
  let outbox: Outbox;
  let handled: Handled[];
  const clock = createManualClock();

  // One database for all: opening one takes seconds on a busy machine, its tables do not.
  beforeAll(async () => {
    fresh = await adapter.open();
  }, 60_000);
  beforeEach(async () => {
    await fresh.db.script("DROP SCHEMA IF EXISTS tally CASCADE");
    await createTally(fresh.db);
    log = createScriptedLog();
    handled = [];
    outbox = createOutbox({ schema: "tally", writer: "tally", producerName: "test", clock });
  });
  afterAll(async () => fresh.drop(), 60_000);

  const common = (handler: TallyHandler) => ({
    handler,
    schema: "tally",
    db: fresh.db,
    log,
    outbox,
    clock,
    logger: silentLogger,
    pollMs: 0,
    redriveDelaysMs: [0, 0, 0, 0],
    hiccupMs: 0,
    onHandled: (one: Handled) => {
      handled.push(one);
    },
  });

  return {
    get db(): Database {
      return fresh.db;
    },
    get log() {
      return log;
    },
    get handled() {
      return handled;
    },
    clock,
    common,
    renewLog() {
      log = createScriptedLog();
    },
    async started(handler = tallyHandler(), more: object = {}): Promise<Worker> {
      const consumer = createConsumer({ ...common(handler), ...more });
      await consumer.start?.();
      return consumer;
    },
    redriver: (handler = tallyHandler()): Worker => createRedrive(common(handler)),
    /** "a1" is the first note of key a. */
    append(...texts: string[]): void {
      for (const text of texts) {
        const [name = "", does] = text.split(":");
        log.append({ ...noteRecord(noteNamed(name, does)), partition: 0 });
      }
    },
    async next(): Promise<bigint> {
      const [row] = await fresh.db.sql<{ next: bigint }>`SELECT next FROM tally.consumer_cursor`;
      return row?.next ?? -1n;
    },
    async blocked(): Promise<string> {
      const rows = await fresh.db.sql<{ key: string }>`
        SELECT key FROM tally.blocked_key ORDER BY key`;
      return rows.map(({ key }) => key).join(" ");
    },
    poison: (key: string) => fresh.db.sql`INSERT INTO tally.poison (key) VALUES (${key})`,
    cure: () => fresh.db.sql`DELETE FROM tally.poison`,
    outboxRows: () => fresh.db.sql<OutboxRow>`
      SELECT aggregatetype, aggregateid, payload, headers FROM tally.outbox ORDER BY pos`,
  };
}

/** "a2": the second note of key a, its id the same. */
export function noteNamed(name: string, does?: string): Note {
  const [, key = "", n = "0"] = /^(.*?)x?(\d+)$/.exec(name) ?? [];
  return { id: name, key, n: Number(n), ...(does === undefined ? {} : { does }) };
}
