/**
 * What a failure of a handler means for its message, and when many alike mean that not the messages
 * but this program is wrong: then the consumer stops, instead of setting the whole stream aside.
 */
import {
  classifyDatabaseError,
  type DatabaseErrorClass,
  errorName,
  sqlState,
} from "../database/database-error.ts";
import { TransientError } from "../errors.ts";

/** A fault of the code is permanent: it must not stop the neighbours. Anything else unknown is tried again. */
export function classifyFailure(error: unknown): DatabaseErrorClass {
  const found = classifyDatabaseError(error);
  return found === "transient" && isBug(error) ? "permanent" : found;
}

/** What `decide` throws, in memory and without waiting for anything, cannot be a hiccup unless it says so. */
export function classifyDecision(error: unknown): DatabaseErrorClass {
  if (error instanceof TransientError) return "transient";
  return classifyDatabaseError(error) === "systemic" ? "systemic" : "permanent";
}

function isBug(error: unknown): boolean {
  if (sqlState(error) !== undefined) return false;
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError ||
    (error instanceof Error && error.name === "AssertionError")
  );
}

/** 100 ms, doubling up to 30 s, with jitter so that partitions do not come back all at once. */
export function backoffMs(tries: number): number {
  const fullMs = Math.min(30_000, 100 * 2 ** Math.min(tries, 20));
  return Math.round(fullMs * (0.5 + Math.random() / 2));
}

/** The same for failures of one cause: words with a digit (ids, numbers) are left out. */
export function fingerprintOf(error: unknown): string {
  return describe(error)
    .slice(0, 200)
    .replace(/[\p{L}\p{N}_-]*[0-9][\p{L}\p{N}_-]*/gu, "#");
}

/** The name of a group of letters: one type that failed of one cause. */
export function letterFingerprint(messageType: string, error: unknown): string {
  const hasher = new Bun.CryptoHasher("md5");
  return hasher
    .update(`${messageType} ${fingerprintOf(error)}`)
    .digest("hex")
    .slice(0, 12);
}

export function describe(error: unknown): string {
  return error instanceof Error ? `${errorName(error)}: ${error.message}` : String(error);
}

export interface FailureWindow {
  /** The fingerprint that would exceed the limit if these came on top, else undefined. */
  excess(handled: number, failures: readonly unknown[]): string | undefined;
  add(handled: number, failures: readonly unknown[]): void;
}

/** Looks at the last `size` handled messages; more than `limit` failing alike are systemic. */
export function createFailureWindow(size = 200, limit = size / 5): FailureWindow {
  let last: string[] = [];
  const after = (handled: number, failures: readonly unknown[]): string[] => {
    const passed = Array.from({ length: Math.min(size, handled - failures.length) }, () => "");
    return [...last, ...passed, ...failures.map(fingerprintOf)].slice(-size);
  };
  return {
    excess(handled, failures) {
      if (failures.length === 0) return undefined;
      const counts = new Map<string, number>();
      for (const print of after(handled, failures)) {
        if (print !== "") counts.set(print, (counts.get(print) ?? 0) + 1);
      }
      return [...counts].find(([, count]) => count > limit)?.[0];
    },
    add(handled, failures) {
      last = after(handled, failures);
    },
  };
}
