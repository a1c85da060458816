/**
 * What must be true before a server starts: the schema of this version, a database that keeps what
 * it acknowledges, the key that opens its texts, the topics. What can come later is not asked.
 */
import type { Clock } from "#platform/clock";
import { dataDirOwner } from "#platform/database/data-dir";
import type { Database } from "#platform/database/database";
import { sqlState } from "#platform/database/database-error";
import { assertDurable } from "#platform/database/postgres";
import { SystemicError, TransientError } from "#platform/errors";
import type { EventLog } from "#platform/messaging/event-log";
import { createKeyring } from "#platform/sealing/keyring";
import type { Logger } from "#platform/telemetry/logger";
import type { Config } from "../config.ts";
import type { Secrets } from "../secrets.ts";
import { hasEmbeddedData, type Stores } from "../stores.ts";
import { checkTopics } from "../topic-faults.ts";
import { topicSettings } from "../topic-settings.ts";
import { ExitError } from "./exit.ts";

/** A broker that does not answer within this time is started without: readiness names it. */
const topicsWithinMs = 5_000;

/** Throws SystemicError with the remedy. */
export async function prepareDatabases(config: Config, stores: Stores): Promise<void> {
  if (config.embedded) {
    await stores.migrate();
    return;
  }
  await assertMigrated(stores);
  for (const db of new Set(Object.values(stores.databases))) await assertDurable(db);
}

export async function assertMigrated(stores: Stores): Promise<void> {
  const pending = await stores.pending();
  if (pending.length === 0) return;
  throw new SystemicError(`the database lacks ${pending.join(", ")}: run \`app migrate\``);
}

/** Schema and tables of an embedded folder are its server's business: it saw to them as it started. */
export function refuseHeldFolder({ embedded, MEMORY, DATA_DIR }: Config): void {
  const owner = embedded && !MEMORY ? dataDirOwner(DATA_DIR) : undefined;
  if (owner === undefined) return;
  throw new SystemicError(
    `process ${owner.pid}${owner.url ? ` at ${owner.url}` : ""} holds ${DATA_DIR} and brought schema and topics ` +
      "up to date as it started; `app doctor` asks it how it is, and once it is stopped this command looks itself",
  );
}

/** A command that finds no data where it was told to look must not make some, and call it fine. */
export function refuseMissingFolder(config: Config): void {
  if (!config.embedded) return;
  if (config.MEMORY) {
    throw new ExitError(
      3,
      "wrong settings:\n  MEMORY: data in memory is one process's own; ask its server, or name a --data-dir",
    );
  }
  if (hasEmbeddedData(config)) return;
  throw noDataIn(config);
}

export function noDataIn({ DATA_DIR }: Config): ExitError {
  return new ExitError(
    3,
    `wrong settings:\n  DATA_DIR: no server has its data in "${DATA_DIR}"; start it first, or name its --data-dir`,
  );
}

/** Texts sealed with another key could not be opened, and new ones not by whoever has the right one. */
export async function assertDataKey(db: Database, { dataKey }: Secrets): Promise<void> {
  try {
    await createKeyring({ db, dataKey }).seal("platform", "this key opens this database");
  } catch (error) {
    if (error instanceof TransientError || sqlState(error) !== undefined) throw error;
    throw new SystemicError("DATA_KEY does not open the keys of this database", { cause: error });
  }
}

/**
 * The log in tables is this program's own; Kafka's topics are set up by `app topics`, and wrong ones
 * are refused. False when no broker answered, so that it is still to be checked.
 */
export async function prepareTopics(
  log: EventLog,
  clock: Clock,
  { APP_ROLE: roles, KAFKA_VALIDATE_ON_STARTUP: validate }: Config,
  logger: Logger,
): Promise<boolean> {
  if (log.kind === "table") {
    await log.ensureTopics(topicSettings());
    return true;
  }
  if (!validate) return true;
  const checked = checkTopics(log, roles).then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof TransientError)) throw error;
      logger.warn({}, `starting without the log: ${error.message}`);
      return false;
    },
  );
  return Promise.race([checked, clock.sleep(topicsWithinMs).then(() => false)]);
}
