/**
 * Redrives a tally until nothing is due, in a process of its own: a note that says "kill" ends it in
 * the middle of its transaction, as a crash of the machine would; "numbered-killed" ends it at any.
 *
 *   bun redrive-killed.program.ts URL HELD_MS [numbered|numbered-killed]
 */
import { createSystemClock } from "#platform/clock-system";
import { openPostgres } from "#platform/database/postgres";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import { tallyHandler } from "../support/tally.ts";

const [url = "", heldMs = "0", way = ""] = process.argv.slice(2);
const db = openPostgres({ url, max: 2 });
const clock = createSystemClock();
const outbox = createOutbox({ schema: "tally", writer: "tally", producerName: "test", clock });
const handler = tallyHandler({
  numbered: way !== "",
  before: (notes) => {
    const deadly = way === "numbered-killed" || notes.some(({ does }) => does === "kill");
    if (deadly) process.kill(process.pid, "SIGKILL");
  },
});
const common = { handler, schema: "tally", db, outbox, clock, logger: silentLogger };
const redrive = createRedrive({ ...common, heldMs: Number(heldMs) });
while ((await redrive.step()) === "worked");
await db.close();
