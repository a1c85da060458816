/** Where the sandbox's clock stands: a deadline that seems early or late is explained by it. */
import { formatDuration } from "#kernel/duration";
import type { Clock } from "#platform/clock";

export interface ClockView {
  /** Business time, by which deadlines fall. */
  readonly now: string;
  /** What the machine's clock says. */
  readonly real: string;
  /** ISO 8601: how far the first is ahead of the second; PT0S until it was moved. */
  readonly ahead: string;
}

export function clockView(clock: Pick<Clock, "now" | "wall" | "offsetMs">): ClockView {
  return {
    now: clock.now().toISOString(),
    real: clock.wall().toISOString(),
    ahead: formatDuration(clock.offsetMs()),
  };
}
