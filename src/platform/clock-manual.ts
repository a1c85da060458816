/** A clock that stands still until it is told to move: for tests and the simulation. */
import type { Clock } from "./clock.ts";

export interface ManualClock extends Clock {
  /** Moves time forward; sleepers whose time has come wake in order of their time. */
  advance(ms: number): Promise<void>;
  /** Moves the test clock: business time only. */
  setOffset(ms: bigint): void;
  /** How many sleepers are waiting. */
  readonly sleepers: number;
}

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export function createManualClock(start = new Date("2030-01-01T00:00:00.000Z")): ManualClock {
  let elapsed = 0;
  let offset = 0n;
  const sleepers = new Set<Sleeper>();
  const wall = (): Date => new Date(start.getTime() + elapsed);

  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (ms <= 0 || signal?.aborted === true) return resolve();
      const wake = (): void => {
        sleepers.delete(sleeper);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper: Sleeper = { at: elapsed + ms, wake };
      sleepers.add(sleeper);
      signal?.addEventListener("abort", wake);
    });

  async function advance(ms: number): Promise<void> {
    const target = elapsed + ms;
    await settle();
    for (;;) {
      const next = [...sleepers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > target) break;
      elapsed = Math.max(elapsed, next.at);
      next.wake();
      await settle();
    }
    elapsed = target;
    await settle();
  }

  return {
    now: () => new Date(wall().getTime() + Number(offset)),
    wall,
    monotonicMs: () => elapsed,
    offsetMs: () => offset,
    sleep,
    advance,
    setOffset: (ms) => {
      offset = ms;
    },
    get sleepers() {
      return sleepers.size;
    },
  };
}

/** Lets what was just woken run until it waits again: an immediate comes after all microtasks. */
async function settle(): Promise<void> {
  await new Promise(setImmediate);
}
