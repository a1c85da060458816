/**
 * A look that is dear and asked for often. One is under way at a time, and it then rests fifty times as
 * long as it took: meanwhile everybody is told what it saw. One that fails is not kept.
 */
import type { Clock } from "#platform/clock";

const restPerLook = 50;

export function createRestingLook<T>(
  look: () => Promise<T>,
  clock: Pick<Clock, "monotonicMs">,
): () => Promise<T> {
  let last: { readonly seen: T; readonly untilMs: number } | undefined;
  let underWay: Promise<T> | undefined;

  async function lookNow(): Promise<T> {
    const begunMs = clock.monotonicMs();
    const seen = await look();
    const endedMs = clock.monotonicMs();
    last = { seen, untilMs: endedMs + (endedMs - begunMs) * restPerLook };
    return seen;
  }

  return async () => {
    if (last !== undefined && clock.monotonicMs() <= last.untilMs) return last.seen;
    underWay ??= lookNow().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}
