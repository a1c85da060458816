/** One administrative connection for a whole process, made when first needed and after a failure again. */
import type { Admin, Kafka } from "kafkajs";
import { TerminalError } from "../../errors.ts";
import type { GroupLag, PartitionEnds } from "../event-log.ts";
import { explainCall, protocolError } from "./errors.ts";
import { createSharedClient } from "./shared-client.ts";

const deadlineMs = 20_000;
const maxAttempts = 4;
/** The client knows the cluster as it was: right after a topic is made, and while a leader changes. */
const stale = new Set([
  "NOT_LEADER_FOR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "NOT_CONTROLLER",
]);

export interface KafkaAdmin {
  /** Rejects with a TransientError while Kafka cannot be reached. */
  use<T>(what: string, work: (admin: Admin) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export function createKafkaAdmin(kafka: Kafka): KafkaAdmin {
  const shared = createSharedClient({
    deadlineMs,
    open: () => {
      const admin = kafka.admin({ retry: { retries: 2, maxRetryTime: 1_000 } });
      return { admin, ready: admin.connect() };
    },
    close: ({ admin }) => admin.disconnect(),
  });
  return {
    async use(what, work) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          // Whatever fails, the next one asks the cluster anew.
          return await shared.use(what, ({ admin, ready }) => ready.then(() => work(admin)));
        } catch (error) {
          if (error instanceof TerminalError) throw error;
          if (attempt >= maxAttempts || !stale.has(protocolError(error) ?? ""))
            throw explainCall(error, what);
          await Bun.sleep(100 * 2 ** attempt);
        }
      }
    },
    close: shared.close,
  };
}

/** Of topics that do not exist there is nothing to say. */
export async function readKafkaEnds(
  admin: Admin,
  topics: readonly string[],
): Promise<PartitionEnds[]> {
  const ends = await Promise.all(topics.map((topic) => endsOf(admin, topic)));
  return ends.flat().sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition);
}

/** Asked by name: the list of all topics of a large cluster takes seconds, and is asked for often. */
async function endsOf(admin: Admin, topic: string): Promise<PartitionEnds[]> {
  try {
    const offsets = await admin.fetchTopicOffsets(topic);
    return offsets.map(({ partition, low, high }) => ({
      topic,
      partition,
      low: BigInt(low),
      end: BigInt(high),
    }));
  } catch (error) {
    // It may be another topic, known to the client from before, that is gone.
    const gone = protocolError(error) === "UNKNOWN_TOPIC_OR_PARTITION";
    if (!gone || (await admin.listTopics()).includes(topic)) throw error;
    return [];
  }
}

/** Undefined where the group has committed nothing. */
export async function readKafkaPosition(
  admin: Admin,
  groupId: string,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): Promise<bigint | undefined> {
  const answers = await admin.fetchOffsets({ groupId, topics: [topic] });
  const found = answers
    .flatMap(({ partitions }) => partitions)
    .find((one) => one.partition === partition);
  return found === undefined || BigInt(found.offset) < 0n ? undefined : BigInt(found.offset);
}

export async function readKafkaLag(admin: Admin, groups: readonly string[]): Promise<GroupLag[]> {
  const positions = await Promise.all(
    groups.map(async (group) => ({ group, offsets: await admin.fetchOffsets({ groupId: group }) })),
  );
  const topics = positions.flatMap(({ offsets }) => offsets.map(({ topic }) => topic));
  const ends = await readKafkaEnds(admin, [...new Set(topics)]);
  const endOf = new Map(ends.map(({ topic, partition, end }) => [`${topic}/${partition}`, end]));
  return positions.flatMap(({ group, offsets }) =>
    offsets.flatMap(({ topic, partitions }) =>
      partitions.flatMap(({ partition, offset }) => {
        const end = endOf.get(`${topic}/${partition}`);
        const position = BigInt(offset);
        return end === undefined || position < 0n
          ? []
          : [{ group, topic, partition, position, end }];
      }),
    ),
  );
}
