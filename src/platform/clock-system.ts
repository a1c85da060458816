/** The real clock. Business time is real time plus the test clock's offset, 0 outside the sandbox. */
import type { Clock } from "./clock.ts";

export interface SystemClockOptions {
  /** The test clock's offset, read at each call. */
  readonly offsetMs?: () => bigint;
}

/** `sleep` resolves early, without an error, when its signal is aborted. */
export function createSystemClock({ offsetMs = () => 0n }: SystemClockOptions = {}): Clock {
  return {
    now: () => new Date(Date.now() + Number(offsetMs())),
    wall: () => new Date(),
    monotonicMs: () => performance.now(),
    offsetMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const end = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", end);
          resolve();
        };
        const timer = setTimeout(end, Math.max(0, ms));
        signal?.addEventListener("abort", end);
      }),
  };
}
