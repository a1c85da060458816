/** Positions shown as lag: the newest of each partition, one request in flight, losses forgiven. */
import type { Logger } from "../logger.ts";
import type { Place } from "./kafka-member.ts";

export interface KafkaCommits {
  add(place: Place, offset: bigint): void;
  /** Resolves when everything added is committed or lost. */
  settled(): Promise<void>;
}

export function createKafkaCommits(
  commit: (offsets: readonly (Place & { readonly offset: bigint })[]) => Promise<void>,
  logger: Logger,
): KafkaCommits {
  const waiting = new Map<string, Place & { readonly offset: bigint }>();
  let flushing: Promise<void> | undefined;
  const flush = async (): Promise<void> => {
    while (waiting.size > 0) {
      const offsets = [...waiting.values()];
      waiting.clear();
      try {
        await commit(offsets);
      } catch (error) {
        logger.debug({ err: error }, "a position was not committed");
      }
    }
    flushing = undefined;
  };
  return {
    add: ({ topic, partition }, offset) => {
      waiting.set(`${topic}/${partition}`, { topic, partition, offset });
      flushing ??= flush();
    },
    settled: async () => {
      await flushing;
    },
  };
}
