/**
 * A look that is dear and that anybody may ask for. One is under way at a time; then it rests fifty
 * times as long as it took, a second at least, whether it saw something or failed: meanwhile everybody
 * is told that.
 */
import type { Clock } from "#platform/clock";

const restPerLook = 50;
const leastRestMs = 1_000;

export function createRestingLook<T>(
  look: () => Promise<T>,
  clock: Pick<Clock, "monotonicMs">,
): () => Promise<T> {
  let told: Promise<T> | undefined;
  /** Absent while the look is under way. */
  let restsUntilMs: number | undefined;

  async function lookNow(): Promise<T> {
    const begunMs = clock.monotonicMs();
    try {
      return await look();
    } finally {
      const endedMs = clock.monotonicMs();
      restsUntilMs = endedMs + Math.max(leastRestMs, (endedMs - begunMs) * restPerLook);
    }
  }

  return () => {
    const rested = restsUntilMs !== undefined && clock.monotonicMs() > restsUntilMs;
    if (told === undefined || rested) {
      restsUntilMs = undefined;
      told = lookNow();
    }
    return told;
  };
}
