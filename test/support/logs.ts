/**
 * The event logs that can be tested here: tables in PGlite always, tables in PostgreSQL where
 * DATABASE_URL is set, Kafka where KAFKA_BROKERS is set. Each caller gets topics of its own.
 */
import { randomBytes } from "node:crypto";
import { createSystemClock } from "#platform/clock-system";
import { type Database, SqlName } from "#platform/database/database";
import { loadMigrations } from "#platform/database/migration-files";
import { openPglite } from "#platform/database/pglite";
import { openPostgres } from "#platform/database/postgres";
import type {
  EventLog,
  LogRecord,
  NewRecord,
  SubscribeOptions,
  Subscription,
  TopicSettings,
} from "#platform/messaging/event-log";
import { createKafkaLog } from "#platform/messaging/kafka/log";
import { createTableLog } from "#platform/messaging/table/log";
import { silentLogger } from "#platform/telemetry/logger";

export interface LogUnderTest {
  /** A log as one process has it; every process has its own. PGlite's processes are one. */
  process(): EventLog;
  close(): Promise<void>;
}

export interface LogKind {
  readonly name: string;
  open(): Promise<LogUnderTest>;
}

const { DATABASE_URL, KAFKA_BROKERS } = process.env;

export const logKinds: readonly LogKind[] = [
  { name: "tables in PGlite", open: async () => onTables(await openPglite(), { shared: true }) },
  ...configured("tables in PostgreSQL", DATABASE_URL, (url) => onTables(openPostgres({ url }))),
  ...configured("Kafka", KAFKA_BROKERS, async (brokers) => onKafka(brokers.split(","))),
];

function configured(
  name: string,
  address: string | undefined,
  open: (address: string) => Promise<LogUnderTest>,
): LogKind[] {
  return address === undefined ? [] : [{ name, open: () => open(address) }];
}

async function onTables(db: Database, { shared = false } = {}): Promise<LogUnderTest> {
  const schema = unique("log");
  await createLogSchema(db, schema);
  const logs: EventLog[] = [];
  const make = (): EventLog => {
    const log = createTableLog({
      db,
      schema,
      clock: createSystemClock(),
      memberId: unique("member"),
      logger: silentLogger,
    });
    logs.push(log);
    return log;
  };
  return {
    process: () => (shared ? (logs[0] ?? make()) : make()),
    close: async () => {
      await Promise.all(logs.map((log) => log.close()));
      await db.script(`DROP SCHEMA ${new SqlName(schema).text} CASCADE`);
      await db.close();
    },
  };
}

function onKafka(brokers: readonly string[]): LogUnderTest {
  const logs: EventLog[] = [];
  return {
    process: () => {
      const log = createKafkaLog({ brokers, clientId: unique("test"), logger: silentLogger });
      logs.push(log);
      return log;
    },
    close: async () => {
      await Promise.all(logs.map((log) => log.close()));
    },
  };
}

export async function createLogSchema(db: Database, schema: string): Promise<void> {
  const { modules } = await loadMigrations();
  const name = new SqlName(schema).text;
  await db.script(`CREATE SCHEMA ${name}`);
  for (const { sql } of modules.get("log") ?? [])
    await db.script(sql.replaceAll("{{schema}}", name));
}

export function unique(prefix: string): string {
  return `${prefix}_${randomBytes(4).toString("hex")}`;
}

export function topic(settings: Partial<TopicSettings> = {}): TopicSettings {
  return {
    name: `${unique("test")}.v1`,
    partitions: 3,
    retentionDays: "forever",
    timestamps: "create",
    ...settings,
  };
}

export function record(of: TopicSettings, key: string, text: string): NewRecord {
  return { topic: of.name, key, value: Buffer.from(text), headers: { "message-id": text } };
}

export function textOf({ value }: LogRecord): string {
  return Buffer.from(value).toString();
}

/** Reads from the beginning, at most ten records a batch, unless told otherwise. */
export function subscriptionOf(
  of: TopicSettings,
  options: Partial<SubscribeOptions> = {},
): SubscribeOptions {
  return {
    group: unique("group"),
    topics: [of.name],
    startAt: async () => 0n,
    maxRecords: 10,
    ...options,
  };
}

/** Takes and finishes batches until `enough` says so; fails after `withinMs`. */
export async function take(
  subscription: Subscription,
  enough: number | ((records: readonly LogRecord[]) => boolean),
  withinMs = 20_000,
): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const isEnough =
    typeof enough === "number"
      ? (): boolean => records.length >= enough
      : (): boolean => enough(records);
  const until = performance.now() + withinMs;
  while (!isEnough()) {
    if (performance.now() > until) throw new Error(`only ${records.length} records came`);
    const batch = await subscription.poll(100);
    if (batch === null) continue;
    records.push(...batch.records);
    await batch.done((batch.records.at(-1)?.offset ?? -1n) + 1n);
  }
  return records;
}

export async function eventually(
  condition: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error("it did not come to be in time");
    await Bun.sleep(20);
  }
}
