/**
 * A token bucket per caller, in this process. Memory is bounded: the caller who was not seen for
 * longest is forgotten first, which only ever gives tokens back.
 */
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
  const buckets = new Map<string, Bucket>();

  function keep(caller: string, bucket: Bucket): void {
    // Deleted first, so that the map's order is the order of last use.
    buckets.delete(caller);
    buckets.set(caller, bucket);
    const oldest = buckets.size > MAX_CALLERS ? buckets.keys().next().value : undefined;
    if (oldest !== undefined) buckets.delete(oldest);
  }

  return {
    take: (caller) => {
      const atMs = clock.monotonicMs();
      const before = buckets.get(caller) ?? { tokens: burst, atMs };
      const tokens = Math.min(burst, before.tokens + ((atMs - before.atMs) * perSecond) / 1_000);
      if (tokens < 1) return Math.max(1, Math.ceil((1 - tokens) / perSecond));
      keep(caller, { tokens: tokens - 1, atMs });
      return 0;
    },
  };
}
