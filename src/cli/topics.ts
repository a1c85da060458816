/** The catalogue as topic settings, each with its dead letter topic; and `app topics`. */

import { createSystemClock } from "#platform/clock-system";
import { silentLogger } from "#platform/logger";
import type { TopicSettings } from "#platform/messaging/event-log";
import { allTopics } from "#topics";
import type { Config } from "../config.ts";
import { openStores } from "../stores.ts";

/** A message goes round here before the program calls itself ready. */
const probe: TopicSettings = {
  name: "app.probe.v1",
  partitions: 1,
  retentionDays: 1,
  timestamps: "append",
};

export function topicSettings(): readonly TopicSettings[] {
  const own = allTopics.flatMap(
    ({ name, partitions, retentionDays, timestamps }): TopicSettings[] => [
      { name, partitions, retentionDays, timestamps },
      { name: `${name}.dlq`, partitions, retentionDays: 30, timestamps: "create" },
    ],
  );
  return [...own, probe];
}

export async function runTopics(
  config: Config,
  { dryRun = false }: { dryRun?: boolean },
): Promise<void> {
  const stores = await openStores(config, silentLogger);
  const log = stores.openLog({
    clock: createSystemClock(),
    logger: silentLogger,
    memberId: `topics-${process.pid}`,
  });
  try {
    const changes = await log.ensureTopics(topicSettings(), { dryRun });
    for (const change of changes) process.stdout.write(`${dryRun ? "would " : ""}${change}\n`);
    if (changes.length === 0) process.stdout.write("nothing to do\n");
  } finally {
    await log.close();
    await stores.close();
  }
}
