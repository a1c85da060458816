/**
 * A token bucket per caller, in this process. Memory is bounded: the caller who was not seen for
 * longest is forgotten first, which only ever gives tokens back.
 */
import { LRUCache } from "lru-cache";
import type { Clock } from "../clock.ts";

export interface RateLimitOptions {
  readonly perSecond: number;
  /** How many may come at once after a pause. */
  readonly burst: number;
  readonly clock: Pick<Clock, "monotonicMs">;
}

export interface RateLimit {
  /** 0 when the call may go on, else the seconds after which to try again. */
  take(caller: string): number;
}

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

const MAX_CALLERS = 10_000;

export function createRateLimit({ perSecond, burst, clock }: RateLimitOptions): RateLimit {
  const buckets = new LRUCache<string, Bucket>({ max: MAX_CALLERS });

  return {
    take: (caller) => {
      const atMs = clock.monotonicMs();
      const before = buckets.get(caller) ?? { tokens: burst, atMs };
      const tokens = Math.min(burst, before.tokens + ((atMs - before.atMs) * perSecond) / 1_000);
      if (tokens < 1) return Math.max(1, Math.ceil((1 - tokens) / perSecond));
      buckets.set(caller, { tokens: tokens - 1, atMs });
      return 0;
    },
  };
}
