/**
 * Finds the message that kills the process. After some starts in a row from the same position a
 * partition is read one message at a time, the offset committed before each: whatever the next
 * start finds there ended us, and is set aside without being touched.
 */
import type { Assignment } from "./cursor.ts";

/** This many starts without progress make a partition suspicious. */
const suspiciousStarts = 3;

export interface CrashGuard {
  assigned(partition: number, assignment: Assignment): void;
  /** Whether this partition is to be read one message at a time. */
  isCareful(partition: number, position: bigint): boolean;
  suspectOf(partition: number): bigint | undefined;
  /** Runs `work` so that, while any partition is suspicious, nothing else of this consumer runs. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  touching(partition: number, offset: bigint): void;
  passed(partition: number, next: bigint): void;
  /** All partitions that were ever assigned. */
  partitions(): readonly number[];
}

export function createCrashGuard(batchSize: number): CrashGuard {
  const suspects = new Map<number, bigint>();
  /** One whole batch ahead: any message of it may have been the cause. */
  const carefulBefore = new Map<number, bigint>();
  const touched = new Map<number, bigint>();
  const known = new Set<number>();
  let last: Promise<unknown> = Promise.resolve();

  return {
    assigned(partition, { next, crashes, suspect }) {
      known.add(partition);
      suspects.delete(partition);
      // What this very process marked did not end it.
      const convicted = suspect !== undefined && touched.get(partition) !== suspect;
      if (convicted) suspects.set(partition, suspect);
      if (crashes >= suspiciousStarts || suspect !== undefined) {
        carefulBefore.set(partition, next + BigInt(batchSize));
      }
    },
    isCareful: (partition, position) => position < (carefulBefore.get(partition) ?? -1n),
    suspectOf: (partition) => suspects.get(partition),
    alone(work) {
      if (carefulBefore.size === 0) return work();
      const mine = last.then(work);
      last = mine.catch(() => undefined);
      return mine;
    },
    touching: (partition, offset) => {
      touched.set(partition, offset);
    },
    passed(partition, next) {
      if (next >= (carefulBefore.get(partition) ?? next)) carefulBefore.delete(partition);
      if (next > (suspects.get(partition) ?? next)) suspects.delete(partition);
    },
    partitions: () => [...known],
  };
}
