/**
 * A parked message that kills the process whenever it is tried: the processes after it lose no more
 * than three starts to it, blame no other, and bring everything else through.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { createManualClock } from "#platform/clock-manual";
import type { Database } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import { createConsumer } from "#platform/messaging/consumer";
import { replayLetters } from "#platform/messaging/dead-letters/letter-actions";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { createScriptedLog } from "../support/scripted-log.ts";
import { createTally, effects, noteRecord, parkedNotes, tallyHandler } from "../support/tally.ts";
import { noteNamed } from "../support/tally-world.ts";

setDefaultTimeout(120_000);

/** Of a dead process's hand. */
const heldMs = 200;
let fresh: FreshPostgres;
let db: Database;

beforeAll(async () => {
  fresh = await freshPostgres();
  db = openPostgres({ url: fresh.url, max: 2 });
  await createTally(db);
});
afterAll(async () => {
  await db.close();
  await fresh.drop();
});

/** Key b has a letter too, with one behind it; then nothing is poison any more. */
async function park(...notes: string[]): Promise<void> {
  const log = createScriptedLog();
  const clock = createManualClock();
  const outbox = createOutbox({ schema: "tally", writer: "tally", producerName: "test", clock });
  for (const note of notes) {
    const [name = "", does] = note.split(":");
    log.append({ ...noteRecord(noteNamed(name, does)), partition: 0 });
  }
  await db.sql`INSERT INTO tally.poison VALUES ('a'), ('b')`;
  const common = { schema: "tally", db, log, outbox, clock, logger: silentLogger };
  const consumer = createConsumer({
    ...common,
    handler: tallyHandler(),
    redriveDelaysMs: [0],
    pollMs: 0,
  });
  await consumer.start?.();
  await consumer.step();
  await db.sql`DELETE FROM tally.poison`;
}

/** How a process that redrives until nothing is due has ended. */
async function start(): Promise<"killed" | "done"> {
  await Bun.sleep(heldMs * 2);
  const program = join(import.meta.dir, "redrive-killed.program.ts");
  const child = Bun.spawn([process.execPath, program, fresh.url, String(heldMs)], {
    stdout: "inherit",
    stderr: "inherit",
  });
  await child.exited;
  if (child.signalCode === "SIGKILL") return "killed";
  expect(child.exitCode).toBe(0);
  return "done";
}

test("F1: a parked message that kills every process that tries it is dead after three of them", async () => {
  await park("a1:poison", "b1:poison", "a2", "a3:kill", "a4", "b2");
  const ends: string[] = [];
  while (ends.at(-1) !== "done" && ends.length < 8) ends.push(await start());
  expect(ends).toEqual(["killed", "killed", "killed", "done"]);
  expect(await parkedNotes(db)).toBe("3a:dead:1 4a:waiting:0");
  expect((await effects(db)).split(" ").sort()).toEqual(["a1", "a2", "b1", "b2"]);
  const [letter] = await db.sql`SELECT cause, in_hand_of FROM tally.letter`;
  expect(letter).toEqual({ cause: expect.stringContaining("CRASH"), in_hand_of: null });
  const [copy] = await db.sql`
    SELECT headers->>'dlq-error-message' AS cause FROM tally.outbox WHERE aggregatetype = 'notes.v1.dlq'`;
  expect(copy).toEqual({ cause: expect.stringContaining("CRASH") });
  // By itself it is not tried again.
  expect(await start()).toBe("done");
});

test("an operator's replay of it costs one process, not three", async () => {
  const place = { consumer: "tally.notes", topic: "notes.v1", partition: 0, offset: 3n };
  const act = { askedBy: "test|ann", reason: "INC-1" };
  expect(await replayLetters(db, "tally", [{ place, key: "a", delayMs: 0 }], act)).toHaveLength(1);
  expect([await start(), await start()]).toEqual(["killed", "done"]);
  expect(await parkedNotes(db)).toBe("3a:dead:2 4a:waiting:0");
});
