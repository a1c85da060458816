/**
 * Deadlines at scale: as many timers as asked for, three processes over one PostgreSQL, one of them
 * killed while it works. Tells what left, who sent it, and how late.
 */
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Timer_Kind, TimerSchema } from "#gen/escrow/v1/types_pb";
import type { Database } from "#platform/database/database";
import { migrate } from "#platform/database/migrate";
import { loadMigrations } from "#platform/database/migration-files";
import { openPostgres } from "#platform/database/postgres";
import { freshPostgres } from "./databases.ts";

export interface TimersRun {
  /** One for each command that left: whose it is, who sent it, milliseconds after due + 5 s. */
  readonly sent: readonly {
    readonly escrowId: string;
    readonly by: string;
    readonly lateMs: number;
  }[];
  /** How many had left when the process was killed. */
  readonly atKill: number;
}

export const timerProcesses = ["timers-1", "timers-2", "timers-3"];
/** A timer's command leaves this long after its due time. */
const graceMs = 5_000;
const hourMs = 3_600_000;
const patienceMs = 40_000;
const program = join(import.meta.dir, "timers.program.ts");

/** The deadlines fall evenly into `spanMs`. */
export async function runTimers(count: number, spanMs: number): Promise<TimersRun> {
  const { url, drop } = await freshPostgres();
  const db = openPostgres({ url, max: 3 });
  const { modules, templates } = await loadMigrations();
  const migrations = modules.get("escrow") ?? [];
  await migrate(db, [{ name: "escrow", schema: "escrow", templates, migrations }]);
  const children = await Promise.all(timerProcesses.map((name) => startProcess(name, url)));
  try {
    const start = new Date(Date.now() + hourMs);
    const due = await arm(db, { start, count, spanMs });
    // However long that took, time jumps to where the first is about to leave.
    const offsetMs = start.getTime() - Date.now();
    await db.sql`UPDATE escrow.clock SET offset_ms = ${BigInt(offsetMs)}`;
    await untilSent(db, count / 3);
    children[0]?.kill("SIGKILL");
    const atKill = await sentIn(db);
    await untilSent(db, count);
    const rows = await db.sql<{ escrow: string; by: string; at: Date }>`
      SELECT aggregateid AS escrow, headers->>'producer' AS by, at FROM escrow.outbox`;
    const sent = rows.map(({ escrow, by, at }) => {
      const own = due[Number(escrow.slice("esc_".length)) - 1] ?? start;
      return { escrowId: escrow, by, lateMs: at.getTime() + offsetMs - own.getTime() - graceMs };
    });
    return { sent, atKill };
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await db.close();
    await drop();
  }
}

async function startProcess(name: string, url: string) {
  const child = Bun.spawn([process.execPath, program, name, url], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  if (!Buffer.from(value ?? []).includes("ready")) throw new Error(`${name} did not start`);
  return child;
}

async function arm(
  db: Database,
  { start, count, spanMs }: { start: Date; count: number; spanMs: number },
): Promise<Date[]> {
  const due = Array.from(
    { length: count },
    (_, n) => new Date(start.getTime() - graceMs + Math.floor((n * spanMs) / count)),
  );
  const timers = due.map((at, n) => {
    const kind = Timer_Kind.AUTO_RELEASE;
    const dueAt = timestampFromDate(at);
    const timer = create(TimerSchema, { kind, milestoneId: "m1", generation: n + 1, dueAt });
    return Buffer.from(toBinary(TimerSchema, timer)).toString("hex");
  });
  await db.sql`
    INSERT INTO escrow.timer (escrow_no, slot, escrow_id, timer, due_at, paused)
    SELECT n, 0, 'esc_' || n, decode(timer, 'hex'), due, false
    FROM unnest(${timers}::text[], ${due}::timestamptz[]) WITH ORDINALITY AS t(timer, due, n)`;
  return due;
}

async function sentIn(db: Database): Promise<number> {
  const [row] = await db.sql<{ n: bigint }>`SELECT count(*) AS n FROM escrow.outbox`;
  return Number(row?.n ?? 0n);
}

async function untilSent(db: Database, wanted: number): Promise<void> {
  const until = Date.now() + patienceMs;
  while ((await sentIn(db)) < wanted) {
    if (Date.now() > until) throw new Error(`${await sentIn(db)} of ${wanted} left`);
    await Bun.sleep(100);
  }
}
