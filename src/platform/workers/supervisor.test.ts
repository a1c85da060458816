import { expect, test } from "bun:test";
import { createManualClock } from "../clock-manual.ts";
import { createSystemClock } from "../clock-system.ts";
import { SystemicError } from "../errors.ts";
import type { Worker } from "../module.ts";
import { createSignal } from "../signal.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { createSupervisor } from "./supervisor.ts";
import type { WakeableWorker } from "./worker-loop.ts";
import { WorkerLostError } from "./worker-lost-error.ts";

const logger = silentLogger;

test("a worker that throws is tried again, ever later, and its neighbour never notices", async () => {
  const clock = createManualClock();
  const supervisor = createSupervisor({ logger, clock });
  const triedAt: number[] = [];
  let neighbour = 0;
  supervisor.run([
    worker("bad", async () => {
      triedAt.push(clock.monotonicMs());
      throw new Error("no disk");
    }),
    worker("good", async () => {
      neighbour += 1;
      return "idle";
    }),
  ]);
  await clock.advance(200_000);
  const pauses = triedAt.slice(1).map((at, index) => at - (triedAt[index] ?? 0));
  expect(pauses[0]).toBeLessThanOrEqual(100);
  expect(pauses[0]).toBeGreaterThanOrEqual(50);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000);
  expect(pauses.at(-1)).toBeGreaterThanOrEqual(15_000);
  expect(neighbour).toBeGreaterThan(1_000);
  expect(supervisor.problems()).toEqual([{ name: "bad", problem: "no disk" }]);
  expect(await supervisor.stop(1_000)).toEqual([]);
});

test("a problem is gone once a step succeeds", async () => {
  const clock = createManualClock();
  const supervisor = createSupervisor({ logger, clock });
  let tries = 0;
  supervisor.run([
    worker("flaky", async () => {
      tries += 1;
      if (tries === 1) throw new Error("hiccup");
      return "idle";
    }),
  ]);
  await clock.advance(1);
  expect(supervisor.problems()).toHaveLength(1);
  await clock.advance(100);
  expect(supervisor.problems()).toEqual([]);
  await supervisor.stop(1_000);
});

test("a systemic fault stops its worker for good, and the problem stays", async () => {
  const clock = createManualClock();
  const supervisor = createSupervisor({ logger, clock });
  let tries = 0;
  let stopped = 0;
  const broken = worker("broken", async () => {
    tries += 1;
    throw new SystemicError("the log is another one");
  });
  const stop = async (): Promise<void> => {
    stopped += 1;
  };
  supervisor.run([{ ...broken, lanes: 3, stop }]);
  await clock.advance(100_000);
  expect(tries).toBeLessThanOrEqual(3);
  expect(stopped).toBe(1);
  expect(supervisor.problems()).toEqual([{ name: "broken", problem: "the log is another one" }]);
});

test("a lost worker is reported as fatal", async () => {
  const clock = createManualClock();
  const supervisor = createSupervisor({ logger, clock });
  const lost: string[] = [];
  supervisor.onFatal((name) => lost.push(name));
  supervisor.run([
    worker("member", async () => {
      throw new WorkerLostError("the group member died");
    }),
  ]);
  await clock.advance(10);
  expect(lost).toEqual(["member"]);
});

test("a wake ends the wait, also one that came during the step", async () => {
  const clock = createManualClock();
  const signal = createSignal();
  let steps = 0;
  const sleepy: WakeableWorker = {
    ...worker("sleepy", async () => {
      steps += 1;
      if (steps === 2) signal.notify();
      return "idle";
    }),
    idleMs: 1_000_000,
    onWake: signal.onNotify,
  };
  const supervisor = createSupervisor({ logger, clock });
  supervisor.run([sleepy]);
  await clock.advance(1);
  expect(steps).toBe(1);
  signal.notify();
  await clock.advance(1);
  expect(steps).toBe(3);
  await supervisor.stop(1_000);
});

test("stops consumers, then activities, then relays once they are drained", async () => {
  const clock = createSystemClock();
  const supervisor = createSupervisor({ logger, clock });
  const order: string[] = [];
  const named = (name: string): Worker => ({
    ...worker(name, async () => "idle"),
    stop: async () => void order.push(name),
  });
  let backlog = 3;
  const relay: Worker = {
    ...named("relay"),
    idleMs: 100_000,
    step: async () => {
      if (!order.includes("timers") || backlog === 0) return "idle";
      backlog -= 1;
      return "worked";
    },
  };
  supervisor.run([relay], "relays");
  supervisor.run([named("timers")]);
  supervisor.run([named("consumer")], "consumers");
  expect(await supervisor.stop(1_000)).toEqual([]);
  expect(order).toEqual(["consumer", "timers", "relay"]);
  expect(backlog).toBe(0);
});

test("a step that hangs is named at the deadline, and the others were stopped", async () => {
  const clock = createSystemClock();
  const supervisor = createSupervisor({ logger, clock });
  let stopped = false;
  supervisor.run([worker("stuck", () => new Promise(() => undefined))], "consumers");
  const stop = async (): Promise<void> => {
    stopped = true;
  };
  supervisor.run([{ ...worker("fine", async () => "idle"), stop }]);
  await clock.sleep(1);
  const started = clock.monotonicMs();
  expect(await supervisor.stop(100)).toEqual(["stuck"]);
  expect(clock.monotonicMs() - started).toBeLessThan(300);
  expect(stopped).toBe(true);
});

test("lanes step side by side", async () => {
  const clock = createSystemClock();
  const supervisor = createSupervisor({ logger, clock });
  let running = 0;
  let most = 0;
  supervisor.run([
    {
      ...worker("wide", async () => {
        running += 1;
        most = Math.max(most, running);
        await clock.sleep(5);
        running -= 1;
        return "worked";
      }),
      lanes: 3,
    },
  ]);
  await clock.sleep(30);
  await supervisor.stop(1_000);
  expect(most).toBe(3);
});

function worker(name: string, step: () => Promise<"worked" | "idle">): Worker {
  return { name, step, idleMs: 10 };
}

test("what comes once it is stopping is not started", async () => {
  const clock = createManualClock();
  const supervisor = createSupervisor({ logger, clock });
  await supervisor.stop(1_000);
  let steps = 0;
  supervisor.run([
    worker("late", async () => {
      steps += 1;
      return "idle";
    }),
  ]);
  await clock.advance(1);
  expect(steps).toBe(0);
});
