/** The product's schemas and the registry they are kept in, where one is configured. */
import type { Database } from "#platform/database/database";
import { deadLetterTopic, topicNameIn } from "#platform/messaging/topic-names";
import { createKeptIds } from "#platform/schemas/kept-ids";
import { readProtoFile } from "#platform/schemas/proto-files";
import { createSchemaRegistry, type SchemaRegistry } from "#platform/schemas/registry";
import { createSchemaIds, type SchemaIds } from "#platform/schemas/schema-ids";
import { type Subject, subjectsOf } from "#platform/schemas/subjects";
import type { Logger } from "#platform/telemetry/logger";
import type { Config } from "./config.ts";
import { rightsOf } from "./kafka-rights.ts";
import { topicNaming } from "./settings/kafka.ts";
import { allTopics } from "./topics.ts";

/** Undefined where values go without a frame. */
export function openSchemaRegistry(config: Config): SchemaRegistry | undefined {
  const { KAFKA_SCHEMA_REGISTRY_URL: url } = config;
  if (url === undefined || !config.kafka) return undefined;
  return createSchemaRegistry({
    url,
    username: config.KAFKA_SCHEMA_REGISTRY_USERNAME,
    password: config.KAFKA_SCHEMA_REGISTRY_PASSWORD,
  });
}

/** Of all topics, or of some. */
export function schemaSubjects(config: Config, topics = allTopics): Promise<readonly Subject[]> {
  const naming = topicNaming(config);
  return subjectsOf({ topics, nameOf: (name) => topicNameIn(naming, name), read: readProtoFile });
}

/** For a process that sends. */
export function openSchemaIds(config: Config, db: Database, logger: Logger): SchemaIds | undefined {
  const registry = openSchemaRegistry(config);
  if (registry === undefined) return undefined;
  const written = new Set(config.APP_ROLE.flatMap((role) => rightsOf(role).writes));
  // Who copies dead letters frames them with the schema of their topic.
  const topics = allTopics.filter(
    ({ name }) => written.has(name) || written.has(deadLetterTopic(name)),
  );
  return createSchemaIds({
    registry,
    kept: createKeptIds(db),
    subjects: () => schemaSubjects(config, topics),
    logger,
  });
}
