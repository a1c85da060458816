/** A member of a Kafka group as the port wants it: polled for batches of single partitions. */
import type { Kafka } from "kafkajs";
import type { Logger } from "../../telemetry/logger.ts";
import type { PartitionEnds, SubscribeOptions, Subscription } from "../event-log.ts";
import { createWaiters } from "../waiters.ts";
import { createAssignment } from "./assignment.ts";
import { createKafkaCommits } from "./commits.ts";
import { within } from "./errors.ts";
import { createKafkaMember, type KafkaMember, type Place } from "./member.ts";
import { createWatchdog } from "./watchdog.ts";

const closeWaitMs = 10_000;
const lastCommitMs = 2_000;

export interface KafkaSubscriptionDeps {
  readonly kafka: Kafka;
  readonly logger: Logger;
  readonly readEnds: (topics: readonly string[]) => Promise<readonly PartitionEnds[]>;
  readonly readDone: (group: string, place: Place) => Promise<bigint | undefined>;
  readonly onJoined?: (() => void) | undefined;
  readonly options: SubscribeOptions;
}

export function createKafkaSubscription(deps: KafkaSubscriptionDeps): Subscription {
  const { kafka, logger, readEnds, options } = deps;
  const moved = createWaiters();
  const commits = createKafkaCommits((offsets) => member.commit(offsets), logger);
  const assignment = createAssignment({
    ...deps,
    readEnds: sharing(readEnds),
    readDone: (place) => deps.readDone(options.group, place),
    moved,
    commits,
    fetcher: {
      start: (place, offset) => member.start(place, offset),
      pause: (place) => member.pause(place),
      resume: (place) => member.resume(place),
    },
  });
  const member: KafkaMember = createKafkaMember({
    kafka,
    logger,
    group: options.group,
    topics: options.topics,
    onAssigned: assignment.assign,
    onRevoked: assignment.revoke,
    onFetched: assignment.fetched,
    fetching: () =>
      assignment
        .partitions()
        .filter(({ position, paused }) => position !== undefined && !paused)
        .map(({ topic, partition, fetchFrom }) => `${topic}/${partition} from ${fetchFrom} on`),
    onJoined: deps.onJoined,
  });
  const watchdog = createWatchdog({
    logger,
    readEnds: () => readEnds(options.topics),
    assigned: assignment.assigned,
    partitions: assignment.partitions,
    onStuck: (reason) => member.restart(reason),
  });
  let closing = false;

  return {
    state() {
      if (member.lost()) return "lost";
      const started = assignment.partitions().every(({ position }) => position !== undefined);
      return assignment.assigned() && started ? "joined" : "joining";
    },
    async poll(waitMs) {
      const until = performance.now() + waitMs;
      while (!closing) {
        const batch = assignment.take();
        if (batch !== null) return batch;
        const rest = until - performance.now();
        if (rest <= 0) return null;
        await moved.wait(Math.min(rest, assignment.untilResumedMs()));
      }
      return null;
    },
    async close() {
      closing = true;
      watchdog.stop();
      moved.wake();
      const until = performance.now() + closeWaitMs;
      while (assignment.inHand() > 0 && performance.now() < until) await moved.wait(100);
      await within(lastCommitMs, "the last commit", commits.settled()).catch(() => {});
      await member.close();
    },
  };
}

/** All partitions of a topic ask when they are assigned: one answer serves those that wait for it. */
function sharing(
  readEnds: KafkaSubscriptionDeps["readEnds"],
): (topics: readonly string[]) => Promise<readonly PartitionEnds[]> {
  const asked = new Map<string, Promise<readonly PartitionEnds[]>>();
  return (topics) => {
    const name = topics.join();
    const known = asked.get(name);
    if (known !== undefined) return known;
    const answer = readEnds(topics).finally(() => asked.delete(name));
    asked.set(name, answer);
    return answer;
  };
}
