/** A look that is dear and asked for often: what it saw is told again until it has rested. */
import type { Clock } from "#platform/clock";

/** A look takes a fiftieth of the time at most. */
const restPerLook = 50;

export function createRestingLook<T>(
  look: () => Promise<T>,
  clock: Pick<Clock, "monotonicMs">,
): () => Promise<T> {
  let last: { readonly seen: T; readonly untilMs: number } | undefined;
  return async () => {
    const begunMs = clock.monotonicMs();
    if (last === undefined || begunMs > last.untilMs) {
      const seen = await look();
      const endedMs = clock.monotonicMs();
      last = { seen, untilMs: endedMs + (endedMs - begunMs) * restPerLook };
    }
    return last.seen;
  };
}
