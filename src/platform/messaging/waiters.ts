/**
 * Lets several callers wait until something may have changed. A wake that comes while nobody waits
 * is not kept: a caller looks first and waits in the same turn of the event loop.
 */
export interface Waiters {
  /** Resolves with the next wake, or after `ms`. */
  wait(ms: number): Promise<void>;
  wake(): void;
}

export function createWaiters(): Waiters {
  let waiting = new Set<() => void>();
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        const stop = (): void => {
          clearTimeout(timer);
          waiting.delete(stop);
          resolve();
        };
        const timer = setTimeout(stop, ms);
        waiting.add(stop);
      }),
    wake: () => {
      const all = waiting;
      waiting = new Set();
      for (const stop of all) stop();
    },
  };
}
