/**
 * What a bench stands on: a PostgreSQL server and a Kafka broker, given by DATABASE_URL and
 * KAFKA_BROKERS or started here, and on them a database and topics of its own for each round, which
 * are gone afterwards.
 */
import { randomBytes } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";
import postgres from "postgres";
import { startServices } from "../scripts/services.ts";
import { type Config, loadConfig } from "../src/config.ts";
import { createSystemClock } from "../src/platform/clock-system.ts";
import type { EventLog } from "../src/platform/messaging/event-log.ts";
import type { Logger } from "../src/platform/telemetry/logger.ts";
import { type Databases, openStores } from "../src/stores.ts";
import { topicSettings } from "../src/topic-settings.ts";

export interface Servers {
  readonly databaseUrl: string;
  readonly brokers: string;
  stop(): Promise<void>;
}

/** One round's database, topics and settings. */
export interface Round {
  readonly config: Config;
  readonly environment: Readonly<Record<string, string>>;
  readonly databases: Databases;
  readonly log: EventLog;
  close(): Promise<void>;
}

export const clock = createSystemClock();

export const jwtSecret = "a secret for benches, thirty-two bytes and more";

/** Warnings of a bench are part of its result: they are shown. */
export const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields, message) => console.error("warn", message, fields),
  error: (fields, message) => console.error("error", message, fields),
  child: () => logger,
};

export async function findServers(): Promise<Servers> {
  const { env, missing, stop } = await startServices({ only: ["postgres", "kafka"] });
  if (missing.length > 0) throw new Error(`not to be had here: ${missing.join(", ")}`);
  return { databaseUrl: env["DATABASE_URL"] ?? "", brokers: env["KAFKA_BROKERS"] ?? "", stop };
}

/** A new database and a new prefix for topics and groups, migrated and created. */
export async function openRound(servers: Servers): Promise<Round> {
  const database = await freshDatabase(servers);
  const environment = {
    DATABASE_URL: database.url,
    KAFKA_BROKERS: servers.brokers,
    KAFKA_TOPIC_PREFIX: `${database.name}.`,
    JWT_SECRET: jwtSecret,
    DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
    RATE_LIMIT_PER_SECOND: "1000000",
    LOG_LEVEL: "warn",
    PORT: "0",
  };
  const config = loadConfig({ environment }, { serving: true });
  const stores = await openStores(config, logger);
  await stores.migrate();
  const log = stores.openLog({ clock, logger, memberId: database.name });
  await log.ensureTopics(topicSettings());
  return {
    config,
    environment,
    databases: stores.databases,
    log,
    async close() {
      await log.close();
      await stores.close();
      await dropTopics(servers, database.name);
      await database.drop();
    },
  };
}

export interface FreshDatabase {
  readonly name: string;
  readonly url: string;
  drop(): Promise<void>;
}

export async function freshDatabase({ databaseUrl }: Servers): Promise<FreshDatabase> {
  const name = `bench_${randomBytes(4).toString("hex")}`;
  await onServer(databaseUrl, `CREATE DATABASE ${name}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return {
    name,
    url: url.href,
    drop: () => onServer(databaseUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function onServer(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  await sql.unsafe(statement);
  await sql.end();
}

export function kafkaClient({ brokers }: Servers): Kafka {
  return new Kafka({ clientId: "bench", brokers: brokers.split(","), logLevel: logLevel.NOTHING });
}

export async function dropTopics(servers: Servers, prefix: string): Promise<void> {
  const admin = kafkaClient(servers).admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
  if (topics.length > 0) await admin.deleteTopics({ topics });
  await admin.disconnect();
}
