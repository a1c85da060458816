// Nothing is decided upon while a command that was accepted, or a contract that becomes one, may change it.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import type { Database } from "#platform/database/database";
import { openPglite, type PgliteDatabase } from "#platform/database/pglite";
import { migrateAll } from "../../stores.ts";
import { commandsDecided } from "./commands-decided.ts";

let db: PgliteDatabase;
beforeAll(async () => {
  db = await openPglite();
  await migrateAll(allOf(db));
}, 60_000);
afterAll(() => db.close());
beforeEach(() =>
  db.script(
    `TRUNCATE escrow.consumer_cursor, escrow.blocked_key, escrow.outbox, escrow.outbox_held`,
  ),
);

function allOf(one: Database) {
  return { platform: one, escrow: one, payments: one, projections: one };
}

function whoeverSleepsIsLater() {
  let nowMs = 0;
  const sleep = async (ms: number) => {
    nowMs += ms;
  };
  return { monotonicMs: () => nowMs, sleep };
}

function decided(ends: { readonly [topic: string]: bigint } = {}) {
  const log = {
    ends: async ([topic = ""]: readonly string[]) => [
      { topic, partition: 0, low: 2n, end: ends[topic] ?? 2n },
    ],
  };
  return commandsDecided({ db, log, clock: whoeverSleepsIsLater() });
}

const commands = "escrow.commands.v1";
const contracts = "contracts.events.v1";

async function read(consumer: string, topic: string, next: bigint): Promise<void> {
  await db.sql`
    INSERT INTO escrow.consumer_cursor (consumer, topic, part, next, cluster_id)
    VALUES (${consumer}, ${topic}, 0, ${next}, '')`;
}

const readCommands = (next: bigint) => read("escrow.commands", commands, next);

test("commands are decided once the reader has passed what the topic had", async () => {
  expect(await decided()).toBe("decided");
  await readCommands(5n);
  expect(await decided({ [commands]: 5n })).toBe("decided");
});

test("a command nobody has read yet is waited for, some seconds", async () => {
  expect(await decided({ [commands]: 5n })).toBe("waiting");
  await readCommands(4n);
  expect(await decided({ [commands]: 5n })).toBe("waiting");
});

test("a signed contract is waited for, and what it says in the outbox", async () => {
  expect(await decided({ [contracts]: 3n })).toBe("waiting");
  await read("escrow.contracts-events", contracts, 3n);
  expect(await decided({ [contracts]: 3n })).toBe("decided");
  await db.sql`
    INSERT INTO escrow.outbox (shard, id, aggregatetype, aggregateid, type, payload, headers)
    VALUES (0, 'c', ${commands}, 'esc', 'CreateEscrow', '', '{}')`;
  expect(await decided({ [contracts]: 3n })).toBe("waiting");
});

test("a command or a contract that is set aside is none that is decided", async () => {
  for (const consumer of ["escrow.commands", "escrow.contracts-events"]) {
    await db.sql`INSERT INTO escrow.blocked_key (consumer, key) VALUES (${consumer}, 'k')`;
    expect(await decided()).toBe("set aside");
    await db.sql`DELETE FROM escrow.blocked_key`;
  }
});

test("what the log refused is set aside, and what it keeps back is not waited for", async () => {
  await db.sql`
    INSERT INTO escrow.outbox_held (pos, shard, id, aggregatetype, aggregateid, type, payload,
      headers, at, error)
    VALUES (0, 0, 'c', ${commands}, 'esc', 'CreateEscrow', '', '{}', clock_timestamp(), 'too large')`;
  await db.sql`
    INSERT INTO escrow.outbox (shard, id, aggregatetype, aggregateid, type, payload, headers)
    VALUES (0, 'd', ${commands}, 'esc', 'AcceptTerms', '', '{}')`;
  expect(await decided()).toBe("set aside");
});
