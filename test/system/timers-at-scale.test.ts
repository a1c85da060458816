import { expect, test } from "bun:test";
import { runTimers, timerProcesses } from "../support/timers-run.ts";

// How soon they fire is measured by `bun bench/timers.ts`, where nothing else runs.
test("T2: each of 10,000 deadlines fires once though one of three processes is killed", async () => {
  const count = 10_000;
  const { sent, atKill } = await runTimers(count, 3_000);
  expect(atKill).toBeLessThan(count);
  expect(sent).toHaveLength(count);
  expect(new Set(sent.map(({ escrowId }) => escrowId)).size).toBe(count);
  // All three took part, so the killed one had work in its hands.
  expect([...new Set(sent.map(({ by }) => by))].sort()).toEqual(timerProcesses);
  expect(Math.min(...sent.map(({ lateMs }) => lateMs))).toBeGreaterThanOrEqual(0);
}, 60_000);
