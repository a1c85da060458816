/**
 * T2: how late deadlines fire. Ten thousand within ten seconds, three processes over one PostgreSQL,
 * one killed in the middle. Goal: nineteen of twenty within two seconds of due + 5 s.
 */
import { runTimers } from "../test/support/timers-run.ts";

const count = 10_000;
const goalMs = 2_000;

const { sent } = await runTimers(count, 10_000);
const late = sent.map(({ lateMs }) => lateMs).sort((a, b) => a - b);
const at = (share: number) => late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? 0;
process.stdout.write(
  `timers: ${late.length} of ${count} left; ms after due + 5 s: p50 ${at(0.5)}, p95 ${at(0.95)} ` +
    `(goal ${goalMs}), most ${at(1)}\n`,
);
process.exit();
