/** `app topics`: creates and repairs what the catalogue names, or says what it would do. */

import { createSystemClock } from "#platform/clock-system";
import { TerminalError } from "#platform/errors";
import type { EventLog, TopicChange } from "#platform/messaging/event-log";
import { changeText } from "#platform/messaging/topic-changes";
import type { SchemaChange } from "#platform/schemas/ensure-schemas";
import { silentLogger } from "#platform/telemetry/logger";
import type { Config } from "../config.ts";
import { topicNaming } from "../settings/kafka.ts";
import { openStores } from "../stores.ts";
import { topicSettings } from "../topic-settings.ts";
import { refuseHeldFolder, refuseMissingFolder } from "./data-folder.ts";
import { ExitError } from "./exit.ts";
import { assertMigrated } from "./prepare.ts";
import { aclCommands, type FormatOptions, strimziTopics, strimziUsers } from "./topic-formats.ts";
import { registerSchemas, schemaChangeText } from "./topic-schemas.ts";

export interface TopicsOptions {
  readonly dryRun?: boolean;
  readonly diff?: boolean;
  readonly allowReorder?: boolean;
  readonly env?: string;
  readonly format?: string;
  readonly cluster?: string;
  readonly json?: boolean;
}

const formats: Readonly<Record<string, (options: FormatOptions) => string>> = {
  strimzi: strimziTopics,
  "strimzi-users": strimziUsers,
  acls: aclCommands,
};

/** Copies of each topic; what a shared cluster has room for is its own affair. */
const replicasIn: Readonly<Record<string, number | undefined>> = {
  development: 1,
  staging: undefined,
  production: 3,
};

export async function runTopics(config: Config, options: TopicsOptions): Promise<void> {
  if (options.env !== undefined && !(options.env in replicasIn)) {
    throw new ExitError(
      2,
      `unknown environment "${options.env}": development, staging, production`,
    );
  }
  const replicas = options.env === undefined ? undefined : replicasIn[options.env];
  if (options.format !== undefined) {
    printFormat(config, options, replicas ?? 3);
    return;
  }
  const { dryRun = false, diff = false } = options;
  if (!config.kafka) {
    refuseHeldFolder(config);
    if (dryRun || diff) refuseMissingFolder(config);
  }
  // First, since a schema that would stop readers is refused.
  const schemas = await registerSchemas(config, { dryRun: dryRun || diff });
  const changes = await withLog(config, (log) => change(log, options, replicas));
  print(changes, schemas, options);
  if (diff && changes.length > 0) throw new ExitError(5, "the topics differ");
  if (diff && schemas.length > 0) throw new ExitError(5, "the schemas differ");
}

function printFormat(config: Config, options: TopicsOptions, replicas: number): void {
  const { format = "", cluster = "app" } = options;
  const write = formats[format];
  if (write === undefined) {
    const known = Object.keys(formats).join(", ");
    throw new ExitError(2, `unknown format "${format}": expected ${known}`);
  }
  process.stdout.write(write({ naming: topicNaming(config), replicas, cluster }));
}

async function change(
  log: EventLog,
  { dryRun = false, diff = false, allowReorder = false }: TopicsOptions,
  replicas: number | undefined,
): Promise<readonly TopicChange[]> {
  const looking = dryRun || diff;
  try {
    return await log.ensureTopics(topicSettings(), { dryRun: looking, allowReorder, replicas });
  } catch (error) {
    if (error instanceof TerminalError) throw new ExitError(6, `refused: ${error.message}`);
    throw error;
  }
}

function print(
  changes: readonly TopicChange[],
  schemas: readonly SchemaChange[],
  { dryRun, diff, json }: TopicsOptions,
): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ changes, schemas })}\n`);
    return;
  }
  const would = dryRun || diff ? "would " : "";
  const texts = [...schemas.map(schemaChangeText), ...changes.map(changeText)];
  for (const text of texts) process.stdout.write(`${would}${text}\n`);
  if (texts.length === 0) process.stdout.write("nothing to do\n");
}

async function withLog<T>(config: Config, work: (log: EventLog) => Promise<T>): Promise<T> {
  // With Kafka no table is asked: a folder that a server may hold stays closed.
  const stores = await openStores(
    config.kafka ? { ...config, MEMORY: true } : config,
    silentLogger,
  );
  if (!config.kafka) await (config.embedded ? stores.migrate() : assertMigrated(stores));
  const log = stores.openLog({
    clock: createSystemClock(),
    logger: silentLogger,
    memberId: `topics-${process.pid}`,
  });
  try {
    return await work(log);
  } finally {
    await log.close();
    await stores.close();
  }
}
