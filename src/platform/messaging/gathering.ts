/**
 * Which batches go into one transaction: what all partitions have ready, up to the size of one
 * batch. A transaction costs the same for one message as for thirty, and under a steady load each
 * partition has one or two at a time. So while one lane has a batch in hand, what comes gathers for
 * the next; the other lanes help where there is more than it can take, or where it is held up. After
 * a failure each partition goes alone for a while, so that its trouble is not its neighbours'.
 */
import type { Clock } from "../clock.ts";
import type { LogBatch, Subscription } from "./event-log.ts";
import { createWaiters } from "./waiters.ts";

export interface Gathering {
  /** Waits for its turn, and for a first batch; empty when none came in time. */
  take(subscription: Pick<Subscription, "poll">, waitMs: number): Promise<readonly LogBatch[]>;
  /** What was taken was applied, or given back. */
  settled(): void;
  failed(): void;
}

export interface GatheringOptions {
  readonly clock: Pick<Clock, "monotonicMs">;
  /** In all batches together. */
  readonly maxRecords: number;
}

const aloneMs = 10_000;
/** So long a lane is waited for before another one takes what came meanwhile. */
const patienceMs = 100;

export function createGathering({ clock, maxRecords }: GatheringOptions): Gathering {
  const turns = createWaiters();
  let aloneUntilMs = Number.NEGATIVE_INFINITY;
  let taking = false;
  let inHand = 0;
  let takenAtMs = 0;
  /** The last take was a large one: there is work for all. */
  let plenty = false;

  /** How long to wait for one's turn; 0: it is. */
  function untilTurnMs(): number {
    if (plenty) return 0;
    if (taking) return Number.POSITIVE_INFINITY;
    return inHand === 0 ? 0 : Math.max(0, takenAtMs + patienceMs - clock.monotonicMs());
  }

  return {
    async take(subscription, waitMs) {
      const until = clock.monotonicMs() + waitMs;
      for (let turn = untilTurnMs(); turn > 0; turn = untilTurnMs()) {
        const left = until - clock.monotonicMs();
        if (left <= 0) return [];
        await turns.wait(Math.min(left, turn));
      }
      taking = true;
      let batches: readonly LogBatch[] = [];
      try {
        const alone = clock.monotonicMs() < aloneUntilMs;
        const left = Math.max(0, until - clock.monotonicMs());
        batches = await gather(subscription, left, alone ? 0 : maxRecords);
      } finally {
        const count = batches.reduce((sum, { records }) => sum + records.length, 0);
        taking = false;
        plenty = count >= maxRecords / 2;
        if (count > 0) {
          inHand += 1;
          takenAtMs = clock.monotonicMs();
        }
        turns.wake();
      }
      return batches;
    },
    settled() {
      inHand -= 1;
      turns.wake();
    },
    failed() {
      aloneUntilMs = clock.monotonicMs() + aloneMs;
    },
  };
}

/** A first batch, if one comes in time, and what other partitions have up to `maxRecords` in all. */
export async function gather(
  subscription: Pick<Subscription, "poll">,
  waitMs: number,
  maxRecords: number,
): Promise<LogBatch[]> {
  const first = await subscription.poll(waitMs);
  if (first === null) return [];
  const batches = [first];
  let left = maxRecords - first.records.length;
  // The answer of the log that brought the first one brings the others within this turn.
  if (left > 0) await new Promise(setImmediate);
  while (left > 0) {
    const more = await subscription.poll(0);
    if (more === null) break;
    batches.push({ ...more, records: more.records.slice(0, left) });
    left -= more.records.length;
  }
  return batches;
}
