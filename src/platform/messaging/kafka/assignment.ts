/**
 * The partitions this member has been assigned. Where one starts is the reader's word alone, asked at
 * every assignment; a batch in hand when its partition was taken away changes nothing any more, and
 * its successor does not start before that batch is given back.
 */
import type { EachBatchPayload } from "kafkajs";
import { TransientError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { LogBatch, PartitionEnds, SubscribeOptions } from "../event-log.ts";
import type { Waiters } from "../waiters.ts";
import type { KafkaCommits } from "./commits.ts";
import type { KafkaMember, Place } from "./member.ts";
import { fill, isFull, isLow, type KafkaPartition, moveTo, newPartition } from "./partition.ts";
import { recordOf } from "./reader.ts";

const firstRetryMs = 1_000;

export interface AssignmentDeps {
  readonly fetcher: Pick<KafkaMember, "start" | "pause" | "resume">;
  readonly commits: KafkaCommits;
  readonly readEnds: (topics: readonly string[]) => Promise<readonly PartitionEnds[]>;
  /** What the group has committed of a partition. */
  readonly readDone: (place: Place) => Promise<bigint | undefined>;
  readonly options: SubscribeOptions;
  readonly moved: Waiters;
  readonly logger: Logger;
}

export interface Assignment {
  assign(places: readonly Place[]): void;
  revoke(): void;
  fetched(batch: EachBatchPayload["batch"]): void;
  /** A batch of the next partition in turn that has one. */
  take(): LogBatch | null;
  /** Until a pause asked for by retryAfter ends, at most a minute. */
  untilResumedMs(): number;
  assigned(): boolean;
  partitions(): readonly KafkaPartition[];
  /** Batches not given back yet. */
  inHand(): number;
}

interface State extends AssignmentDeps {
  readonly partitions: Map<string, KafkaPartition>;
  /** Batches in hand by partition, those of former assignments included. */
  readonly hands: Map<string, number>;
  assigned: boolean;
}

export function createAssignment(deps: AssignmentDeps): Assignment {
  const state: State = { ...deps, partitions: new Map(), hands: new Map(), assigned: false };
  const { partitions, hands } = state;
  const revoke = (): void => {
    state.assigned = false;
    for (const partition of partitions.values()) partition.revoked = true;
    partitions.clear();
    deps.moved.wake();
  };
  return {
    revoke,
    assign(places) {
      revoke();
      state.assigned = true;
      for (const place of places) {
        const partition = newPartition(place.topic, place.partition);
        partitions.set(idOf(place), partition);
        void start(partition, state);
      }
    },
    fetched(batch) {
      const partition = partitions.get(idOf(batch));
      if (partition?.position === undefined) return;
      buffer(partition, batch, state);
      deps.moved.wake();
    },
    take() {
      const now = performance.now();
      for (const [id, partition] of partitions) {
        if (partition.buffer.length === 0 || partition.inHand || partition.notBeforeMs > now)
          continue;
        // To the end of the line.
        partitions.delete(id);
        partitions.set(id, partition);
        return handOut(partition, state);
      }
      return null;
    },
    untilResumedMs() {
      const now = performance.now();
      const pauses = [...partitions.values()].map(({ notBeforeMs }) => notBeforeMs - now);
      return Math.min(...pauses.filter((ms) => ms > 0), 60_000);
    },
    assigned: () => state.assigned,
    partitions: () => [...partitions.values()],
    inHand: () => [...hands.values()].reduce((sum, count) => sum + count, 0),
  };
}

/** Tries until it is started or taken away again. */
async function start(partition: KafkaPartition, state: State): Promise<void> {
  const { hands, moved, logger, options } = state;
  while (!partition.revoked) {
    try {
      // What is still in hand from before may move the reader's cursor yet.
      if ((hands.get(idOf(partition)) ?? 0) === 0) return await place(partition, state);
    } catch (error) {
      const { topic, partition: number } = partition;
      logger.warn(
        { err: error, group: options.group, topic, partition: number },
        "not started yet",
      );
    }
    await moved.wait(firstRetryMs);
  }
}

async function place(partition: KafkaPartition, state: State): Promise<void> {
  const { readEnds, readDone, options, fetcher, commits } = state;
  const { topic, partition: number } = partition;
  const ends = (await readEnds([topic])).find((one) => one.partition === number);
  if (ends === undefined) throw new TransientError(`${topic}/${number} is not known yet`);
  const position = await options.startAt(topic, number, ends, () => readDone(partition));
  if (partition.revoked) return;
  partition.low = ends.low;
  partition.end = ends.end;
  moveTo(partition, position);
  partition.paused = false;
  fetcher.start(partition, position);
  commits.add(partition, position);
}

function buffer(partition: KafkaPartition, batch: EachBatchPayload["batch"], state: State): void {
  partition.end = BigInt(batch.highWatermark);
  fill(
    partition,
    batch.messages.map((message) => recordOf(partition, message)),
  );
  if (isFull(partition) && !partition.paused) {
    partition.paused = true;
    state.fetcher.pause(partition);
  }
}

function handOut(partition: KafkaPartition, state: State): LogBatch {
  const { hands, moved, commits, options } = state;
  const id = idOf(partition);
  const from = partition.position ?? 0n;
  partition.inHand = true;
  hands.set(id, (hands.get(id) ?? 0) + 1);
  let settled = false;
  /** False when there is nothing to settle any more. */
  const settle = (position: bigint, delayMs: number): boolean => {
    if (settled) return false;
    settled = true;
    hands.set(id, (hands.get(id) ?? 1) - 1);
    partition.inHand = false;
    partition.notBeforeMs = performance.now() + delayMs;
    if (!partition.revoked) goOn(partition, position, state);
    moved.wake();
    return !partition.revoked;
  };
  return {
    topic: partition.topic,
    partition: partition.partition,
    records: partition.buffer.slice(0, options.maxRecords),
    low: partition.low,
    end: partition.end,
    done: async (next) => {
      if (settle(next, 0)) commits.add(partition, next);
    },
    retryAfter: (delayMs) => {
      settle(from, delayMs);
    },
    seek: (offset) => {
      settle(offset, 0);
    },
  };
}

function goOn(partition: KafkaPartition, position: bigint, { fetcher }: State): void {
  if (!moveTo(partition, position)) {
    partition.paused = false;
    fetcher.start(partition, position);
  } else if (partition.paused && isLow(partition)) {
    partition.paused = false;
    fetcher.resume(partition);
  }
}

function idOf({ topic, partition }: Place): string {
  return `${topic}/${partition}`;
}
