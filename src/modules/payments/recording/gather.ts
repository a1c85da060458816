/**
 * Lets results that arrive one by one be recorded together: while one transaction runs, the next
 * ones gather. Each caller's promise settles with the transaction that took its item.
 */
export function createGather<T>(
  record: (items: readonly T[]) => Promise<void>,
): (item: T) => Promise<void> {
  let waiting: T[] = [];
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  return (item) => {
    waiting.push(item);
    next ??= last.then(() => {
      const items = waiting;
      waiting = [];
      next = undefined;
      const mine = record(items);
      last = mine.catch(() => undefined);
      return mine;
    });
    return next;
  };
}
