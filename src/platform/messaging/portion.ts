/**
 * How much of a batch goes into one transaction. One that the database cancels for its time would
 * come again, as large, for ever: each cancellation halves the next try, each success doubles it.
 */
import { sqlState } from "../database/database-error.ts";

const queryCancelled = "57014";

export interface Portion {
  /** The first records of a batch, as many as go through at a time. */
  of<R>(partition: number, records: readonly R[]): readonly R[];
  passed(partition: number): void;
  /** What `taken` records ended in. */
  failed(partition: number, taken: number, error: unknown): void;
}

export function createPortion(): Portion {
  const most = new Map<number, number>();
  return {
    of: (partition, records) => records.slice(0, most.get(partition) ?? records.length),
    passed(partition) {
      const limit = most.get(partition);
      if (limit !== undefined) most.set(partition, limit * 2);
    },
    failed(partition, taken, error) {
      if (sqlState(error) !== queryCancelled) return;
      most.set(partition, Math.max(1, Math.floor(taken / 2)));
    },
  };
}
