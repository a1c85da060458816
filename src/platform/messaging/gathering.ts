/**
 * Which batches go into one transaction: what all partitions have ready, up to the size of one
 * batch. A transaction costs the same for one message as for thirty, and under a steady load each
 * partition has one or two at a time. After a failure each goes alone for a while, so that one
 * partition's trouble is not its neighbours'.
 */
import type { Clock } from "../clock.ts";
import type { LogBatch, Subscription } from "./event-log.ts";

export interface Gathering {
  /** Waits for a first batch; empty when none came in time. */
  take(subscription: Pick<Subscription, "poll">, waitMs: number): Promise<readonly LogBatch[]>;
  failed(): void;
}

export interface GatheringOptions {
  readonly clock: Pick<Clock, "monotonicMs">;
  /** In all batches together. */
  readonly maxRecords: number;
}

const aloneMs = 10_000;

export function createGathering({ clock, maxRecords }: GatheringOptions): Gathering {
  let aloneUntilMs = Number.NEGATIVE_INFINITY;
  return {
    take(subscription, waitMs) {
      const alone = clock.monotonicMs() < aloneUntilMs;
      return gather(subscription, waitMs, alone ? 0 : maxRecords);
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
