/**
 * Topics that could not be written just now. Each waits by itself, ever longer, and is tried again
 * with its rows still in order; the others go on.
 */
import type { Clock } from "#platform/clock";

export interface PausedTopics {
  pause(topic: string, problem: string, pauses: Pauses): void;
  /** It was written: forget what was. */
  clear(topic: string): void;
  /** Those whose pause is not over. */
  waiting(): readonly string[];
  /** True while any topic has rows left behind, also one that is about to be tried again. */
  any(): boolean;
  problem(): string | undefined;
}

/** The pause doubles from the first to the longest. */
export interface Pauses {
  readonly firstMs: number;
  readonly longestMs: number;
}

interface Pause {
  readonly until: number;
  readonly tries: number;
  readonly problem: string;
}

export function createPausedTopics({ clock }: { readonly clock: Clock }): PausedTopics {
  const pauses = new Map<string, Pause>();
  return {
    pause: (topic, problem, { firstMs, longestMs }) => {
      const tries = (pauses.get(topic)?.tries ?? 0) + 1;
      const ms = Math.min(longestMs, firstMs * 2 ** (tries - 1));
      pauses.set(topic, { until: clock.monotonicMs() + ms, tries, problem });
    },
    clear: (topic) => {
      pauses.delete(topic);
    },
    waiting: () => {
      const now = clock.monotonicMs();
      return [...pauses].filter(([, pause]) => pause.until > now).map(([topic]) => topic);
    },
    any: () => pauses.size > 0,
    problem: () => [...pauses.values()][0]?.problem,
  };
}
