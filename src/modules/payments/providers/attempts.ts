/**
 * The key of the attempt that made an object travels with it, so that a look-up can tell the attempt
 * under way from an earlier one of the same operation. Objects from before that bear no key.
 */

export interface Attempted {
  /** "" where the object does not say. */
  readonly attemptKey: string;
  readonly failed: boolean;
}

/**
 * Which of an operation's objects, newest first, a look-up answers with: the attempt's own; one that
 * does not say; else an earlier attempt's, one that took effect before one that failed.
 */
export function ofAttempt<T>(
  found: readonly T[],
  key: string,
  read: (item: T) => Attempted,
): T | undefined {
  return (
    found.find((item) => read(item).attemptKey === key) ??
    found.find((item) => read(item).attemptKey === "") ??
    found.find((item) => !read(item).failed) ??
    found[0]
  );
}
