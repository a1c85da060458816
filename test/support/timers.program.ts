/**
 * The timers' worker alone in a process of its own, so that it can be killed: sends what is due into
 * the outbox of the database at VICTIM_URL until it is stopped.
 */
import { createSystemClock } from "#platform/clock-system";
import { openPostgres } from "#platform/database/postgres";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import { createSupervisor } from "#platform/workers/supervisor";
import { createTimers } from "../../src/modules/escrow/timers.ts";

const [name = "", url = ""] = process.argv.slice(2);
const clock = createSystemClock();
const db = openPostgres({ url, max: 2, applicationName: name });
const outbox = createOutbox({ schema: "escrow", writer: "escrow", producerName: name, clock });
createSupervisor({ logger: silentLogger, clock }).run([createTimers({ db, outbox, clock })]);
await db.sql`SELECT 1`;
process.stdout.write("ready\n");
