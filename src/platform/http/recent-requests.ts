/**
 * The requests this process took lately, by command id: a repeat joins its first self instead of
 * going out again, and another body under the same key is told so at once. Only a short cut: what
 * was forgotten here is still told apart by the command's outcome.
 */
import { LRUCache } from "lru-cache";
import { idempotencyConflict } from "./outcomes.ts";

export interface Taken<T> {
  readonly result: T;
  /** Taken before, by this process. */
  readonly repeated: boolean;
}

export interface RecentRequests<T> {
  /** Runs `take` unless the command was taken or is being taken; throws 422 for another fingerprint. */
  once(commandId: string, fingerprint: string, take: () => Promise<T>): Promise<Taken<T>>;
}

interface Entry<T> {
  readonly fingerprint: string;
  /** Absent after a failure: the command may or may not have been accepted, so it is sent again. */
  result: Promise<T> | undefined;
}

const KEPT = 20_000;

export function createRecentRequests<T>(): RecentRequests<T> {
  const entries = new LRUCache<string, Entry<T>>({ max: KEPT });

  function entryOf(commandId: string, fingerprint: string): Entry<T> {
    const known = entries.get(commandId);
    if (known !== undefined) return known;
    const entry: Entry<T> = { fingerprint, result: undefined };
    entries.set(commandId, entry);
    return entry;
  }

  return {
    once: async (commandId, fingerprint, take) => {
      const entry = entryOf(commandId, fingerprint);
      if (entry.fingerprint !== fingerprint) throw idempotencyConflict(commandId);
      if (entry.result !== undefined) return { result: await entry.result, repeated: true };
      entry.result = take();
      try {
        return { result: await entry.result, repeated: false };
      } catch (error) {
        entry.result = undefined;
        throw error;
      }
    },
  };
}
