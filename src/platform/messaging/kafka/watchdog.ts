/**
 * Notices a member that is silently stuck: not assigned anything for a minute, or a partition that
 * lags for a minute although its buffer is empty. The client is known to end in both ways.
 */
import type { Logger } from "../../telemetry/logger.ts";
import type { PartitionEnds } from "../event-log.ts";
import type { KafkaPartition } from "./partition.ts";

const defaultCheckMs = 20_000;
const defaultStuckMs = 60_000;

export interface WatchdogDeps {
  readonly readEnds: () => Promise<readonly PartitionEnds[]>;
  readonly partitions: () => readonly KafkaPartition[];
  readonly assigned: () => boolean;
  readonly onStuck: (reason: string) => void;
  readonly logger: Logger;
  readonly checkMs?: number;
  readonly stuckMs?: number;
}

export function createWatchdog(deps: WatchdogDeps): { stop(): void } {
  const { readEnds, onStuck, logger, checkMs = defaultCheckMs, stuckMs = defaultStuckMs } = deps;
  /** Since when each of the troubles has been seen. */
  const since = new Map<string, number>();

  const check = async (): Promise<void> => {
    const troubles = findTroubles(deps, await readEnds());
    const now = performance.now();
    for (const trouble of since.keys()) if (!troubles.includes(trouble)) since.delete(trouble);
    for (const trouble of troubles) since.set(trouble, since.get(trouble) ?? now);
    const stuck = troubles.find((trouble) => now - (since.get(trouble) ?? now) >= stuckMs);
    if (stuck === undefined) return;
    since.clear();
    onStuck(stuck);
  };
  const timer = setInterval(() => {
    check().catch((error: unknown) => logger.debug({ err: error }, "the ends cannot be read"));
  }, checkMs);
  return { stop: () => clearInterval(timer) };
}

function findTroubles(
  { assigned, partitions }: WatchdogDeps,
  ends: readonly PartitionEnds[],
): string[] {
  // Without the topics there is nothing to be assigned.
  if (!assigned()) return ends.length > 0 ? ["nothing is assigned"] : [];
  const endOf = new Map(ends.map(({ topic, partition, end }) => [`${topic}/${partition}`, end]));
  return partitions().flatMap(({ topic, partition, position, inHand, buffer, fetchFrom }) => {
    if (position === undefined || inHand || buffer.length > 0) return [];
    const starving = (endOf.get(`${topic}/${partition}`) ?? 0n) > fetchFrom;
    return starving ? [`${topic}/${partition} gives nothing from ${fetchFrom} on`] : [];
  });
}
