/**
 * What was accepted a moment ago, perhaps by another process, is not "not found": whoever asks for
 * it waits a moment. What a caller may not see waits just as long, so that time tells them nothing.
 */
import type { Clock } from "./clock.ts";

const patienceMs = 1_000;
const tickMs = 25;

/**
 * Looks until something is found; undefined when nothing came in time. `last` is true when it will
 * not be asked again, for those who would rather wait for a better answer.
 */
export async function foundSoon<T>(
  clock: Pick<Clock, "monotonicMs" | "sleep">,
  look: (last: boolean) => Promise<T | undefined>,
): Promise<T | undefined> {
  const until = clock.monotonicMs() + patienceMs;
  for (;;) {
    const last = clock.monotonicMs() >= until;
    const found = await look(last);
    if (found !== undefined || last) return found;
    await clock.sleep(tickMs);
  }
}
