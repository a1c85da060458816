/**
 * Opens what holds the data: the embedded database in a locked folder, or PostgreSQL; the log in
 * tables, or Kafka. The two switches to production are DATABASE_URL and KAFKA_BROKERS.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "#platform/clock";
import { type DataDirLock, lockDataDir } from "#platform/database/data-dir";
import type { Database } from "#platform/database/database";
import { embeddedFile } from "#platform/database/embedded-files";
import { type MigrationStep, type ModuleMigrations, migrate } from "#platform/database/migrate";
import { loadMigrations } from "#platform/database/migration-files";
import { openPglite } from "#platform/database/pglite";
import { openPostgres } from "#platform/database/postgres";
import type { EventLog } from "#platform/messaging/event-log";
import { createKafkaLog } from "#platform/messaging/kafka/log";
import type { KafkaObserver } from "#platform/messaging/kafka/sockets";
import { createTableLog } from "#platform/messaging/table/log";
import { withFrames } from "#platform/schemas/framed-log";
import type { SchemaIds } from "#platform/schemas/schema-ids";
import type { Logger } from "#platform/telemetry/logger";
import type { Config } from "./config.ts";
import { kafkaConnection, topicNaming } from "./settings/kafka.ts";
import { allTopics } from "./topics.ts";

/** Schemas with cursors and an outbox of their own. */
export const messagingSchemas = ["escrow", "payments", "projections"] as const;
export type MessagingSchema = (typeof messagingSchemas)[number];

/** One of something for each of them. */
export function bySchema<T>(
  make: (schema: MessagingSchema) => T,
): Readonly<Record<MessagingSchema, T>> {
  const made = messagingSchemas.map((schema) => [schema, make(schema)]);
  return Object.fromEntries(made) as Readonly<Record<MessagingSchema, T>>;
}

const platformSchemas = ["keyring", "log", "access"] as const;

export interface Databases extends Readonly<Record<MessagingSchema, Database>> {
  /** Keyring, API keys, and the table log where it serves. */
  readonly platform: Database;
}

export interface Stores {
  readonly databases: Databases;
  /** Where the data lies and what it survives, for the banner. */
  readonly place: string;
  readonly lock: DataDirLock | undefined;
  migrate(options?: { dryRun?: boolean }): Promise<readonly MigrationStep[]>;
  /** Names of migrations this database lacks; throws SchemaTooNew when it has more than we know. */
  pending(): Promise<readonly string[]>;
  openLog(options: LogOptions): EventLog;
  close(): Promise<void>;
}

interface LogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly memberId: string;
  /** Without them, and with a schema registry, this process reads only. */
  readonly schemaIds?: SchemaIds | undefined;
  readonly observer?: KafkaObserver;
}

/** A copy of a migrated, empty database; asked for only when a new one is made. */
export type Snapshot = () => Promise<Blob>;
/** The build's: a new folder starts from it in under a second. */
export const snapshotName = "pgdata.tar";

/** A new embedded database starts from `snapshot`. Throws DataDirLocked when another process has the folder. */
export async function openStores(
  config: Config,
  logger: Logger,
  snapshot: Snapshot | undefined = embeddedFile(snapshotName),
): Promise<Stores> {
  const opened = config.embedded
    ? await openEmbedded(config, snapshot)
    : openServers(config, logger);
  const { databases } = opened;
  const distinct = [...new Set(Object.values(databases) as Database[])];
  return {
    ...opened,
    migrate: (options) => migrateAll(databases, options),
    async pending() {
      const missing = await migrateAll(databases, { dryRun: true });
      return missing.map(({ module, name }) => `${module}/${name}`);
    },
    openLog: (options) =>
      config.kafka
        ? openKafka(config, options)
        : createTableLog({
            db: databases.platform,
            ...options,
            exclusive: config.embedded,
          }),
    async close() {
      await Promise.all(distinct.map((db) => db.close()));
      opened.lock?.release();
    },
  };
}

/** Brings every schema up to date, each in the database it lives in. */
export async function migrateAll(
  databases: Databases,
  options: { dryRun?: boolean } = {},
): Promise<readonly MigrationStep[]> {
  const steps: MigrationStep[] = [];
  for (const [db, modules] of await migrationsByDatabase(databases)) {
    steps.push(...(await migrate(db, modules, options)));
  }
  return steps;
}

type Opened = Pick<Stores, "databases" | "place" | "lock">;

/** A server has kept data in the folder before. */
export function hasEmbeddedData({ DATA_DIR }: Config): boolean {
  return existsSync(join(DATA_DIR, "pg"));
}

async function openEmbedded(config: Config, snapshot: Snapshot | undefined): Promise<Opened> {
  const startFrom = snapshot && { snapshot };
  if (config.MEMORY) {
    const place = "memory (forgotten when this process ends)";
    return { databases: allIn(await openPglite({ ...startFrom })), place, lock: undefined };
  }
  const lock = await lockDataDir(config.DATA_DIR);
  try {
    const db = await openPglite({ dataDir: join(config.DATA_DIR, "pg"), ...startFrom });
    const place = `${config.DATA_DIR} (survives a crash of this program, not of the machine; one process)`;
    return { databases: allIn(db), place, lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function allIn(db: Database): Databases {
  return { platform: db, ...bySchema(() => db) };
}

function openServers(config: Config, logger: Logger): Opened {
  const byUrl = new Map<string, Database>();
  const open = (own: string | undefined): Database => {
    const url = own ?? config.DATABASE_URL;
    if (url === undefined) throw new Error("DATABASE_URL is missing");
    const known = byUrl.get(url);
    if (known) return known;
    const db = openPostgres({
      url,
      max: config.DATABASE_POOL_SIZE,
      applicationName: "app",
      logger,
    });
    byUrl.set(url, db);
    return db;
  };
  return {
    databases: {
      platform: open(undefined),
      escrow: open(config.ESCROW_DATABASE_URL),
      payments: open(config.PAYMENTS_DATABASE_URL),
      projections: open(config.PROJECTIONS_DATABASE_URL),
    },
    place: `PostgreSQL at ${hostOf(config.DATABASE_URL ?? "")}`,
    lock: undefined,
  };
}

function hostOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}

/** One database may hold several modules' schemas, each module its own. */
async function migrationsByDatabase(
  databases: Databases,
): Promise<[Database, ModuleMigrations[]][]> {
  const { modules, templates } = await loadMigrations();
  const byDatabase = new Map<Database, ModuleMigrations[]>();
  const add = (db: Database, module: ModuleMigrations) => {
    byDatabase.set(db, [...(byDatabase.get(db) ?? []), module]);
  };
  for (const name of platformSchemas) {
    add(databases.platform, { name, schema: name, migrations: modules.get(name) ?? [] });
  }
  for (const name of messagingSchemas) {
    const migrations = modules.get(name) ?? [];
    add(databases[name], { name, schema: name, templates, migrations });
  }
  return [...byDatabase];
}

function openKafka(config: Config, options: LogOptions): EventLog {
  const { logger, schemaIds: ids, observer } = options;
  const naming = topicNaming(config);
  const log = createKafkaLog({ ...kafkaConnection(config), naming, logger, observer });
  const framing = config.KAFKA_SCHEMA_REGISTRY_URL !== undefined;
  return withFrames(log, {
    topics: allTopics,
    ...(framing && { idOf: (topic) => ids?.idOf(topic) }),
  });
}
