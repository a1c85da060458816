/**
 * Invariants as questions to the live database and log. A check never changes anything, reads in
 * slices, and names the first counter-example it meets.
 */
import type { EventLog, LogRecord, PartitionEnds } from "../messaging/event-log.ts";

export type InvariantId = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I9" | "I10" | "I11";

export interface Finding {
  readonly id: InvariantId;
  /** What was asked, for people. */
  readonly name: string;
  readonly checked: bigint;
  /** The first that breaks it; absent when all is well. */
  readonly counterexample?: string;
}

export interface CheckContext {
  readonly log: EventLog;
  /** Younger work is under way, not overdue. */
  readonly patienceMs: number;
}

export type Check = (context: CheckContext) => Promise<readonly Finding[]>;

/** How many rows or records one slice reads: short enough for the embedded database's one connection. */
export const sliceSize = 500;

/** Every record of a topic below `upTo` (its end now, when absent), partition by partition. */
export async function* recordsOf(
  log: EventLog,
  topic: string,
  upTo?: ReadonlyMap<number, bigint>,
): AsyncGenerator<readonly LogRecord[]> {
  for (const { partition, low, end } of await log.ends([topic])) {
    const stop = upTo ? (upTo.get(partition) ?? low) : end;
    let from = low;
    while (from < stop) {
      const read = await log.read(topic, partition, from, sliceSize);
      const records = read.filter(({ offset }) => offset < stop);
      const last = records.at(-1);
      if (!last) break;
      yield records;
      from = last.offset + 1n;
    }
  }
}

/** True when the topic still has its first record: only then absence proves loss. */
export function reachesBack(ends: readonly PartitionEnds[]): boolean {
  return ends.every(({ low }) => low === 0n);
}

export function found(counterexample: string | undefined): { counterexample?: string } {
  return counterexample === undefined ? {} : { counterexample };
}
