import { expect, test } from "bun:test";
import type { Admin, ITopicConfig } from "kafkajs";
import type { TopicSettings } from "../event-log.ts";
import { ensureKafkaTopics, type PlannedChanges } from "./topics.ts";

const topics: readonly TopicSettings[] = [
  { name: "notes.v1", partitions: 3, retentionDays: 7, timestamps: "append" },
];

/** Makes the topics, and fails the first time before it says so. */
function adminThatStumbles(): Admin {
  const made: ITopicConfig[] = [];
  const entries = () =>
    (made[0]?.configEntries ?? []).map(({ name, value }) => ({
      configName: name,
      configValue: value,
      configSource: 1,
    }));
  const partitions = () =>
    Array.from({ length: made[0]?.numPartitions ?? 0 }, (_, partitionId) => ({
      partitionId,
      replicas: [1],
    }));
  return {
    describeCluster: async () => ({ brokers: [{}] }),
    listTopics: async () => made.map(({ topic }) => topic),
    createTopics: async ({ topics: asked }: { topics: ITopicConfig[] }) => {
      made.push(...asked);
      throw new Error("there is no leader for this topic yet");
    },
    fetchTopicMetadata: async () => ({
      topics: made.map(({ topic: name }) => ({ name, partitions: partitions() })),
    }),
    describeConfigs: async () => ({
      resources: made.map(({ topic }) => ({ resourceName: topic, configEntries: entries() })),
    }),
  } as unknown as Admin;
}

test("what an attempt did that failed half way is told by the next one", async () => {
  const admin = adminThatStumbles();
  const planned: PlannedChanges = new Map();
  await expect(ensureKafkaTopics(admin, topics, {}, planned)).rejects.toThrow("no leader");
  expect(await ensureKafkaTopics(admin, topics, {}, planned)).toEqual([
    { kind: "create", topic: "notes.v1", wanted: "3" },
  ]);
  expect(await ensureKafkaTopics(admin, topics, {})).toEqual([]);
});
