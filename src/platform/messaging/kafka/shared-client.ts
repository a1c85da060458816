/**
 * One client that many calls use at once, made when first needed and after a failure anew. One that
 * failed gets no new calls and is closed when the last of its calls has ended: closed before, those
 * would connect it again, and nobody would ever close that connection.
 */
import { within } from "./errors.ts";

export interface SharedClient<C> {
  /** Rejects as `work` does, or with a TransientError when that takes longer than the deadline. */
  use<T>(what: string, work: (client: C) => Promise<T>): Promise<T>;
  /** The next call gets a new one. */
  close(): Promise<void>;
}

interface Shared<C> {
  readonly client: C;
  readonly closed: PromiseWithResolvers<void>;
  calls: number;
  retired: boolean;
}

/** Whoever closes waits this long for calls still under way. */
const patienceMs = 1_000;

export function createSharedClient<C>({
  open,
  close,
  deadlineMs,
}: {
  readonly open: () => C;
  readonly close: (client: C) => Promise<void>;
  readonly deadlineMs: number;
}): SharedClient<C> {
  let current: Shared<C> | undefined;
  const closeUnused = (one: Shared<C>): void => {
    if (!one.retired || one.calls > 0) return;
    close(one.client)
      .catch(() => {})
      .finally(one.closed.resolve);
  };
  // Only itself: many calls fail together, and the last of them must not end the next one's client.
  const retire = (one: Shared<C>): void => {
    if (current === one) current = undefined;
    if (one.retired) return;
    one.retired = true;
    closeUnused(one);
  };
  const call = async <T>(one: Shared<C>, work: (client: C) => Promise<T>): Promise<T> => {
    one.calls += 1;
    try {
      return await work(one.client);
    } finally {
      one.calls -= 1;
      closeUnused(one);
    }
  };
  return {
    async use(what, work) {
      current ??= { client: open(), closed: Promise.withResolvers(), calls: 0, retired: false };
      const used = current;
      try {
        return await within(deadlineMs, what, call(used, work));
      } catch (error) {
        retire(used);
        throw error;
      }
    },
    async close() {
      const last = current;
      if (last === undefined) return;
      retire(last);
      const closed = within(patienceMs, "closing a client", last.closed.promise);
      await closed.catch(() => close(last.client).catch(() => {}));
    },
  };
}
