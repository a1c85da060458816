/**
 * A signal inside one process: "there may be something to do". It carries nothing and may be
 * missed without harm, because every listener also polls.
 */
export interface Signal {
  notify(): void;
  /** Calls `listener` at every notify until the returned function is called. */
  onNotify(listener: () => void): () => void;
}

export function createSignal(): Signal {
  const listeners = new Set<() => void>();
  return {
    notify: () => {
      for (const listener of listeners) listener();
    },
    onNotify: (listener) => {
      // Wrapped, so that one function given twice is two listeners.
      const entry = (): void => listener();
      listeners.add(entry);
      return () => {
        listeners.delete(entry);
      };
    },
  };
}
