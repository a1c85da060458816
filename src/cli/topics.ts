/** `app topics`: creates and repairs what the catalogue names. */

import { createSystemClock } from "#platform/clock-system";
import { silentLogger } from "#platform/logger";
import type { Config } from "../config.ts";
import { openStores } from "../stores.ts";
import { assertMigrated } from "./prepare.ts";
import { topicSettings } from "./topic-settings.ts";

export async function runTopics(
  config: Config,
  { dryRun = false }: { dryRun?: boolean },
): Promise<void> {
  const stores = await openStores(config, silentLogger);
  if (!config.kafka) await (config.embedded ? stores.migrate() : assertMigrated(stores));
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
