/**
 * Calls to a provider, side by side. Whoever starts some waits for them a little, then goes on beside
 * those that are slow: one that hangs keeps nobody else waiting.
 */
import type { Clock } from "#platform/clock";

export interface Flights {
  readonly underWay: number;
  /** Throws what a call failed with, of these or of earlier ones. */
  start(calls: readonly (() => Promise<void>)[]): Promise<void>;
  /** Resolves when none is under way. */
  landed(): Promise<void>;
}

const patienceMs = 200;

export function createFlights({ clock }: { readonly clock: Pick<Clock, "sleep"> }): Flights {
  const flying = new Set<Promise<void>>();
  let failed: { readonly reason: unknown } | undefined;

  async function run(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (reason) {
      failed ??= { reason };
    }
  }

  function fly(call: () => Promise<void>): Promise<void> {
    const flight = run(call).finally(() => flying.delete(flight));
    flying.add(flight);
    return flight;
  }

  return {
    get underWay() {
      return flying.size;
    },
    async start(calls) {
      const done = new AbortController();
      const all = Promise.all(calls.map(fly)).then(() => done.abort());
      await Promise.race([all, clock.sleep(patienceMs, done.signal)]);
      const found = failed;
      failed = undefined;
      if (found !== undefined) throw found.reason;
    },
    async landed() {
      await Promise.all(flying);
    },
  };
}
