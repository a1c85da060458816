/** Opens stores and log for one command, builds the object graph without starting it, closes all. */
import { randomBytes } from "node:crypto";
import { createSystemClock } from "#platform/clock-system";
import { createLogger } from "#platform/telemetry/logger";
import { createMetrics } from "#platform/telemetry/metrics";
import type { Config } from "../config.ts";
import { type Application, buildApplication } from "../roles.ts";
import { resolveSecrets } from "../secrets.ts";
import { openStores } from "../stores.ts";
import { topicSettings } from "../topic-settings.ts";
import { refuseMissingFolder } from "./data-folder.ts";
import { assertMigrated } from "./prepare.ts";

export async function withApplication<T>(
  config: Config,
  work: (application: Application) => Promise<T>,
): Promise<T> {
  refuseMissingFolder(config);
  const logger = createLogger({ level: "warn", pretty: process.stderr.isTTY === true });
  const clock = createSystemClock();
  const stores = await openStores(config, logger);
  try {
    if (config.embedded) await stores.migrate();
    else await assertMigrated(stores);
    const processId = `command-${process.pid}`;
    // Before the log is opened: this throws where DATA_KEY is missing.
    const secrets = resolveSecrets(config);
    const log = stores.openLog({ clock, logger, memberId: processId });
    if (log.kind === "table") await log.ensureTopics(topicSettings());
    const application = buildApplication({
      config,
      // The graph wants a way to judge tokens. None comes, and none fits a secret that nobody knows.
      secrets: { ...secrets, jwtSecret: secrets.jwtSecret ?? randomBytes(32).toString("hex") },
      databases: stores.databases,
      log,
      clock,
      logger,
      metrics: createMetrics(),
      processId,
      ownUrl: () => "",
    });
    try {
      return await work(application);
    } finally {
      await application.close();
      await log.close();
    }
  } finally {
    await stores.close();
  }
}
