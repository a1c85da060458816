/**
 * Positions shown as lag: the newest of each partition, a few requests a second, losses forgiven.
 * One request a batch would be a third of all requests to the brokers.
 */
import type { Logger } from "../../telemetry/logger.ts";
import { createWaiters } from "../waiters.ts";
import type { Place } from "./member.ts";

export interface KafkaCommits {
  add(place: Place, offset: bigint): void;
  /** Resolves when everything added is committed or lost. */
  settled(): Promise<void>;
}

const EVERY_MS = 250;

export function createKafkaCommits(
  commit: (offsets: readonly (Place & { readonly offset: bigint })[]) => Promise<void>,
  logger: Logger,
): KafkaCommits {
  const waiting = new Map<string, Place & { readonly offset: bigint }>();
  const pauses = createWaiters();
  let flushing: Promise<void> | undefined;
  let hurried = false;
  const flush = async (): Promise<void> => {
    while (waiting.size > 0) {
      const offsets = [...waiting.values()];
      waiting.clear();
      try {
        await commit(offsets);
      } catch (error) {
        logger.debug({ err: error }, "a position was not committed");
      }
      if (!hurried) await pauses.wait(EVERY_MS);
    }
    flushing = undefined;
  };
  return {
    add: ({ topic, partition }, offset) => {
      waiting.set(`${topic}/${partition}`, { topic, partition, offset });
      flushing ??= flush();
    },
    settled: async () => {
      hurried = true;
      pauses.wake();
      await flushing;
    },
  };
}
