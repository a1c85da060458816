/**
 * Keeps one member of a Kafka group alive: joins when there is a broker and the topics exist, joins
 * anew when the client gives up, and says "lost" when that does not help. It only fetches; what is
 * fetched, and from where, is the subscription's business.
 */
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import type { Logger } from "../../telemetry/logger.ts";
import { createWaiters } from "../waiters.ts";
import { retry } from "./client.ts";
import { UnpackError } from "./compression.ts";
import { causedBy, within } from "./errors.ts";

const closeMs = 5_000;
const rejoinMs = 1_000;
/** Crashes in a row, without anything fetched in between, after which the process should end. */
const maxCrashes = 3;
/** Partitions of other brokers may go on, so that the member is never lost: it is said again then. */
const alarmEachMs = 60_000;

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

export interface KafkaMemberDeps {
  readonly kafka: Kafka;
  readonly logger: Logger;
  readonly group: string;
  readonly topics: readonly string[];
  /** Called with all partitions of a new assignment, each paused until `start`. */
  readonly onAssigned: (places: readonly Place[]) => void;
  /** Called when nothing is assigned any more. */
  readonly onRevoked: () => void;
  readonly onFetched: (batch: EachBatchPayload["batch"]) => void;
  /** The partitions being fetched, and from which offset on. */
  readonly fetching: () => readonly string[];
  /** Called at each joining, before anything is assigned. */
  readonly onJoined?: (() => void) | undefined;
}

export interface KafkaMember {
  lost(): boolean;
  /** Fetches from `offset` on. */
  start(place: Place, offset: bigint): void;
  pause(place: Place): void;
  resume(place: Place): void;
  commit(offsets: readonly (Place & { readonly offset: bigint })[]): Promise<void>;
  /** Leaves and joins again with a new client. */
  restart(reason: string): void;
  close(): Promise<void>;
}

export function createKafkaMember(deps: KafkaMemberDeps): KafkaMember {
  const { logger, group } = deps;
  const pauses = createWaiters();
  const sayUnreadable = createAlarm(deps);
  let current: { consumer: Consumer; end: (reason: string) => void } | undefined;
  let closing = false;
  let crashes = 0;

  const live = async (): Promise<void> => {
    const ended = Promise.withResolvers<string>();
    const consumer = createConsumer(deps);
    current = { consumer, end: ended.resolve };
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (causedBy(payload.error, UnpackError)) sayUnreadable(payload.error);
      deps.onRevoked();
      if (payload.restart) return;
      crashes += 1;
      ended.resolve(payload.error.message);
    });
    const onFetched = (batch: EachBatchPayload["batch"]): void => {
      crashes = 0;
      deps.onFetched(batch);
    };
    try {
      await join(consumer, { ...deps, onFetched });
      const reason = await ended.promise;
      if (!closing) logger.warn({ group, reason }, "the group is left, to be joined anew");
    } catch (error) {
      logger.warn({ err: error, group }, "the group cannot be joined; trying again");
    } finally {
      current = undefined;
      deps.onRevoked();
      await within(closeMs, "leaving the group", consumer.disconnect()).catch(() => {});
    }
  };
  const run = async (): Promise<void> => {
    while (!closing && crashes < maxCrashes) {
      await live();
      if (!closing) await pauses.wait(rejoinMs);
    }
  };
  const running = run();
  /** The client throws when it is between two lives; what was asked for is moot then. */
  const ask = (work: (consumer: Consumer) => void): void => {
    try {
      if (current !== undefined) work(current.consumer);
    } catch (error) {
      logger.debug({ err: error, group }, "the group's client is not running");
    }
  };

  return {
    lost: () => crashes >= maxCrashes,
    start: (place, offset) =>
      ask((consumer) => {
        consumer.seek({ ...place, offset: String(offset) });
        consumer.resume([only(place)]);
      }),
    pause: (place) => ask((consumer) => consumer.pause([only(place)])),
    resume: (place) => ask((consumer) => consumer.resume([only(place)])),
    commit: async (offsets) => {
      await current?.consumer.commitOffsets(
        offsets.map(({ topic, partition, offset }) => ({
          topic,
          partition,
          offset: String(offset),
        })),
      );
    },
    restart: (reason) => current?.end(reason),
    close: async () => {
      closing = true;
      current?.end("closing");
      pauses.wake();
      await within(2 * closeMs, "leaving the group", running).catch(() => {});
    },
  };
}

/** Nothing passes over a batch that cannot be read: without a person the group stands still for good. */
function createAlarm({ logger, group, topics, fetching }: KafkaMemberDeps): (error: Error) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    const now = performance.now();
    if (now - saidAt < alarmEachMs) return;
    saidAt = now;
    // The client does not tell in which of them it met the batch.
    logger.error(
      { alarm: "batch-unreadable", group, topics, fetching: fetching(), err: error },
      `${error.message}; ${group} stands still: docs/operations.md#a-batch-that-cannot-be-unpacked`,
    );
  };
}

function createConsumer({ kafka, group }: KafkaMemberDeps): Consumer {
  return kafka.consumer({
    groupId: group,
    // A member killed without a goodbye holds up its partitions for this long.
    sessionTimeout: 10_000,
    heartbeatInterval: 2_000,
    rebalanceTimeout: 15_000,
    // An idle member asks this often, and the client sleeps this long when all its partitions are paused.
    maxWaitTimeInMs: 250,
    maxBytes: 2_097_152,
    maxBytesPerPartition: 262_144,
    allowAutoTopicCreation: false,
    retry,
  });
}

async function join(
  consumer: Consumer,
  { topics, onJoined, onAssigned, onRevoked, onFetched }: KafkaMemberDeps,
): Promise<void> {
  consumer.on(consumer.events.REBALANCING, onRevoked);
  // Runs within the client's turn, before it fetches: until it is told where from, it must not.
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    onJoined?.();
    const assigned = Object.entries(payload.memberAssignment);
    consumer.pause(assigned.map(([topic, partitions]) => ({ topic, partitions })));
    onAssigned(
      assigned.flatMap(([topic, partitions]) =>
        partitions.map((partition) => ({ topic, partition })),
      ),
    );
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [...topics], fromBeginning: true });
  await consumer.run({
    // Positions are the reader's own; the client's are set by hand and serve display.
    autoCommit: false,
    partitionsConsumedConcurrently: 4,
    // Must not throw: the client would crash and come back with growing pauses.
    eachBatch: async ({ batch, isStale, isRunning }) => {
      if (isRunning() && !isStale()) onFetched(batch);
    },
  });
}

function only({ topic, partition }: Place): { topic: string; partitions: number[] } {
  return { topic, partitions: [partition] };
}
