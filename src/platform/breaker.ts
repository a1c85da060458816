/**
 * A circuit breaker: after five failures in a row within a minute nothing is asked for thirty
 * seconds (or as long as told), then one probe at a time until two went well. It spares a service that is down, and the
 * caller the waiting; it never changes what an answer means.
 */
import type { Clock } from "./clock.ts";

export interface Breaker {
  /** How many calls may begin now, given how many are under way. */
  room(underWay: number, most: number): number;
  succeeded(): void;
  failed(): void;
  state(): "closed" | "open" | "half-open";
  /** Until a call may begin again; 0 while it is not open. */
  openForMs(): number;
}

const failuresToOpen = 5;
const withinMs = 60_000;
const defaultOpenMs = 30_000;
const successesToClose = 2;

export function createBreaker({
  clock,
  openMs = defaultOpenMs,
}: {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly openMs?: number;
}): Breaker {
  let failedAtMs: number[] = [];
  let openedAtMs: number | undefined;
  let probes = 0;

  const state = () => {
    if (openedAtMs === undefined) return "closed";
    return clock.monotonicMs() - openedAtMs < openMs ? "open" : "half-open";
  };
  return {
    state,
    openForMs: () =>
      openedAtMs === undefined ? 0 : Math.max(0, openedAtMs + openMs - clock.monotonicMs()),
    room(underWay, most) {
      const now = state();
      const limit = now === "closed" ? most : now === "open" ? 0 : 1;
      return Math.max(0, limit - underWay);
    },
    succeeded() {
      failedAtMs = [];
      if (state() !== "half-open") return;
      probes += 1;
      if (probes >= successesToClose) openedAtMs = undefined;
    },
    failed() {
      const nowMs = clock.monotonicMs();
      failedAtMs = [...failedAtMs.filter((atMs) => nowMs - atMs < withinMs), nowMs];
      if (openedAtMs === undefined && failedAtMs.length < failuresToOpen) return;
      openedAtMs = nowMs;
      probes = 0;
    },
  };
}
