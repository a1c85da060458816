/** Waits for work of which the deadline is more important than the end. */
import type { Clock } from "../clock.ts";

/** Resolves when the work has ended, or after `ms`; true when it ended. The work itself goes on. */
export async function endsWithin(
  ms: number,
  work: Promise<unknown>,
  clock: Pick<Clock, "sleep">,
): Promise<boolean> {
  const ended = new AbortController();
  const done = work.then(() => ended.abort());
  await Promise.race([done, clock.sleep(ms, ended.signal)]);
  return ended.signal.aborted;
}
