import { expect, test } from "bun:test";
import { topicSettings } from "./topic-settings.ts";
import { allTopics } from "./topics.ts";

test("pitfall 47: what a rebuild reads is kept for ever", () => {
  const events = allTopics.filter(({ name }) => /^(escrow|payments|treasury)\.events\./.test(name));
  expect(events).toHaveLength(3);
  expect(events.map(({ retentionDays }) => retentionDays)).toEqual([
    "forever",
    "forever",
    "forever",
  ]);
  const settings = new Map(topicSettings().map((topic) => [topic.name, topic.retentionDays]));
  for (const { name } of events) expect(settings.get(name)).toBe("forever");
});
