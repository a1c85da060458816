/** A process that is killed with messages in hand that are no fault of its end: none of them is lost. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { createManualClock } from "#platform/clock-manual";
import { openPostgres } from "#platform/database/postgres";
import { createConsumer } from "#platform/messaging/consumer";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import { freshPostgres } from "../support/databases.ts";
import { createScriptedLog } from "../support/scripted-log.ts";
import { createTally, effects, noteRecord, parkedNotes, tallyHandler } from "../support/tally.ts";
import { noteNamed } from "../support/tally-world.ts";

const heldMs = 200;

async function redrive(url: string, way: "numbered" | "numbered-killed"): Promise<string> {
  const program = join(import.meta.dir, "redrive-killed.program.ts");
  const child = Bun.spawn([process.execPath, program, url, String(heldMs), way], {
    stdout: "inherit",
    stderr: "inherit",
  });
  const code = await child.exited;
  return child.signalCode === "SIGKILL" ? "killed" : `exit ${code}`;
}

test("F1: one killed process with a late predecessor in hand blocks no key", async () => {
  const fresh = await freshPostgres();
  const db = openPostgres({ url: fresh.url, max: 2 });
  await createTally(db);
  const log = createScriptedLog();
  const clock = createManualClock();
  const outbox = createOutbox({ schema: "tally", writer: "tally", producerName: "test", clock });
  for (const note of ["a2", "a3", "a1"])
    log.append({ ...noteRecord(noteNamed(note)), partition: 0 });
  const common = { schema: "tally", db, log, outbox, clock, logger: silentLogger, pollMs: 0 };
  const handler = tallyHandler({ numbered: true });
  const consumer = createConsumer({ ...common, handler, redriveDelaysMs: [0] });
  await consumer.start?.();
  await consumer.step();
  expect(await parkedNotes(db)).toBe("0a:waiting:1 1a:waiting:0 2a:waiting:0");
  expect(await redrive(fresh.url, "numbered-killed")).toBe("killed");
  await Bun.sleep(heldMs * 2);
  expect(await redrive(fresh.url, "numbered")).toBe("exit 0");
  expect(await effects(db)).toBe("a1 a2 a3");
  await db.close();
  await fresh.drop();
}, 120_000);
