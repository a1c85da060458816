/** The catalogue as topic settings, each with its dead letter topic, and the probe. */
import type { TopicSettings } from "#platform/messaging/event-log";
import { deadLetterTopic } from "#platform/messaging/topic-names";
import { allTopics } from "#topics";
import { probeTopic } from "./kafka-rights.ts";

const probe: TopicSettings = {
  name: probeTopic,
  partitions: 1,
  retentionDays: 1,
  timestamps: "append",
};

export function topicSettings(): readonly TopicSettings[] {
  const own = allTopics.flatMap(
    ({ name, partitions, retentionDays, timestamps }): TopicSettings[] => [
      { name, partitions, retentionDays, timestamps },
      { name: deadLetterTopic(name), partitions, retentionDays: 30, timestamps: "create" },
    ],
  );
  return [...own, probe];
}
