/**
 * What must be true before a server starts: the schema of this version, a database that keeps what
 * it acknowledges, the key that opens its texts, the topics. What can come later is not asked.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { sqlState } from "#platform/database/database-error";
import { assertDurable } from "#platform/database/postgres";
import { SystemicError, TransientError } from "#platform/errors";
import type { EventLog } from "#platform/messaging/event-log";
import { createKeyring } from "#platform/sealing/keyring";
import type { Logger } from "#platform/telemetry/logger";
import type { Config } from "../config.ts";
import type { Secrets } from "../secrets.ts";
import type { Stores } from "../stores.ts";
import { checkTopics } from "../topic-faults.ts";
import { topicSettings } from "../topic-settings.ts";

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
