/**
 * The outbox under a connector, and what it is measured by: each row is kept aside by a trigger as it
 * is written, and a relay publishes the kept ones under other topic names, beside the connector's.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createSystemClock } from "#platform/clock-system";
import { type Database, SqlName } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import type { EventLog } from "#platform/messaging/event-log";
import { createKafkaLog } from "#platform/messaging/kafka/log";
import { silentLogger } from "#platform/telemetry/logger";
import { allTopics } from "#topics";
import { type Connector, deployedConnector, startConnect } from "../../scripts/backing/connect.ts";
import { root } from "../../scripts/process.ts";
import { startKafka, startPostgres } from "../../scripts/services.ts";
import { createRelay } from "../../src/modules/outbox/relay.ts";
import { createModuleSchema, waiting } from "./outbox.ts";

export const moduleSchemas = ["escrow", "payments", "projections"] as const;

/** One message as a reader of its topic has it. */
export interface Published {
  readonly topic: string;
  readonly key: string;
  readonly id: string;
  readonly partition: number;
  readonly value: string;
  readonly headers: readonly (readonly [string, string])[];
}

export async function startCdcWorld() {
  const [postgres, kafka] = await Promise.all([startPostgres(), startKafka()]);
  if (postgres === undefined || kafka === undefined) throw new Error("no servers can be had");
  const { hostname, port, pathname } = new URL(postgres.url);
  const db = openPostgres({ url: postgres.url, max: 4, applicationName: "test" });
  // Also in the topics' names nothing is taken for granted.
  const prefix = "cdc.";
  const { brokers } = kafka;
  const connect = await startConnect({
    KAFKA_BROKERS: brokers,
    CDC_TOPIC_PREFIX: prefix,
    CDC_DATABASE_HOST: hostname,
    CDC_DATABASE_PORT: port,
    CDC_DATABASE_NAME: pathname.slice(1),
    CDC_DATABASE_PASSWORD: "trusted",
  });
  if (connect === undefined) throw new Error("no Kafka Connect can be had");
  const logOf = (name: string): EventLog =>
    createKafkaLog({
      brokers: brokers.split(","),
      clientId: "test",
      naming: { prefix: name },
      logger: silentLogger,
    });
  const relayed = "relay.";
  const logs = { connector: logOf(prefix), relay: logOf(relayed) };
  const relay = createRelay({
    db,
    schema: "relayed",
    log: logs.relay,
    clock: createSystemClock(),
    logger: silentLogger,
    owner: "test",
  });
  const outbox = deployedConnector("outbox");
  let copied = 0n;

  return {
    db,
    connect,
    log: logs.connector,
    env: { DATABASE_URL: postgres.url, KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: prefix },
    relayedEnv: { DATABASE_URL: postgres.url, KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: relayed },
    outbox,
    /** Its changes come to `<name>.<table>`. */
    tableConnector: (name: string, table: string) => tableConnector(prefix, outbox, name, table),
    /** Once the tables are there: what deploy/connect says, and the copies. */
    async prepare() {
      await db.script(readFileSync(join(root, "deploy/connect/setup.sql"), "utf8"));
      await createModuleSchema(db, "relayed");
      await keepRows(db);
    },
    /** How many rows the outboxes hold. */
    async waiting(): Promise<number> {
      const counts = await Promise.all(moduleSchemas.map((schema) => waiting(db, schema)));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    /** How many messages wait beside the stream. */
    async parked(): Promise<number> {
      const counts = await Promise.all(
        moduleSchemas.map((schema) => db.sql`SELECT 1 FROM ${new SqlName(schema, "parked")}`),
      );
      return counts.reduce((sum, rows) => sum + rows.length, 0);
    },
    /** What the connector and what a relay made of all rows ever written to the outboxes. */
    async both(): Promise<{ connector: Published[]; relay: Published[]; rows: number }> {
      copied = await copyRows(db, copied);
      while ((await waiting(db, "relayed")) > 0) await relay.step();
      const kept = await db.sql<{ id: string }>`SELECT aggregatetype || ' ' || id AS id FROM kept`;
      const ids = new Set(kept.map(({ id }) => id));
      const [connector, byRelay] = await Promise.all([
        readAll(logs.connector, ids),
        readAll(logs.relay, ids),
      ]);
      return { connector, relay: byRelay, rows: kept.length };
    },
    async stop() {
      await relay.stop?.();
      await Promise.all([logs.connector.close(), logs.relay.close(), db.close()]);
      await connect.stop();
      await Promise.all([postgres.stop(), kafka.stop()]);
    },
  };
}

export type CdcWorld = Awaited<ReturnType<typeof startCdcWorld>>;

/** A connector as one writes it for a table of one's own: the deployed one, without the outbox. */
function tableConnector(prefix: string, outbox: Connector, name: string, table: string): Connector {
  const outboxOnly = /^(transforms|snapshot\.select|heartbeat|message|skipped|value|publication)/;
  const settings = Object.entries(outbox.config).filter(([setting]) => !outboxOnly.test(setting));
  const changed = {
    "topic.prefix": `${prefix}${name}`,
    "slot.name": name,
    "publication.name": name,
    "publication.autocreate.mode": "filtered",
    "database.user": "postgres",
    "table.include.list": table,
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
  };
  return { name, config: { ...Object.fromEntries(settings), ...changed } };
}

async function keepRows(db: Database): Promise<void> {
  const triggers = moduleSchemas.map(
    (schema) =>
      `CREATE TRIGGER keep AFTER INSERT ON ${schema}.outbox FOR EACH ROW EXECUTE FUNCTION keep();`,
  );
  await db.script(`
    CREATE TABLE kept (n bigserial, module text, LIKE escrow.outbox);
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO public.kept (module, pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at)
      VALUES (TG_TABLE_SCHEMA, NEW.pos, NEW.shard, NEW.id, NEW.aggregatetype, NEW.aggregateid, NEW.type,
        NEW.payload, NEW.headers, NEW.at);
      RETURN NULL;
    END $$;
    ${triggers.join("\n")}`);
}

/** In the order of each module's positions, which is the order a relay publishes in. */
async function copyRows(db: Database, after: bigint): Promise<bigint> {
  const [last] = await db.sql<{ n: bigint | null }>`SELECT max(n) AS n FROM kept`;
  const upTo = last?.n ?? after;
  await db.sql`
    INSERT INTO relayed.outbox (shard, id, aggregatetype, aggregateid, type, payload, headers, at)
    SELECT shard, id, aggregatetype, aggregateid, type, payload, headers, at FROM kept
    WHERE n > ${after}::bigint AND n <= ${upTo}::bigint ORDER BY module, pos`;
  return upTo;
}

/** In the order of each partition; what did not pass the outbox (commands of routes) is left out. */
async function readAll(log: EventLog, ids: ReadonlySet<string>): Promise<Published[]> {
  const topics = allTopics.flatMap(({ name }) => [name, `${name}.dlq`]);
  const found: Published[] = [];
  for (const { topic, partition, low, end } of await log.ends(topics)) {
    for (let from = low; from < end; ) {
      const records = await log.read(topic, partition, from, 10_000);
      for (const { key, value, headers } of records) {
        const id = headers["message-id"] ?? "";
        if (!ids.has(`${topic} ${id}`)) continue;
        const text = Buffer.from(value).toString("base64");
        const named = Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1));
        found.push({ topic, key, id, partition, value: text, headers: named });
      }
      const last = records.at(-1);
      if (last === undefined) break;
      from = last.offset + 1n;
    }
  }
  return found;
}

/** By topic and key, each message where it came first. */
export function firstOccurrences(all: readonly Published[]): Record<string, Published[]> {
  const byKey: Record<string, Published[]> = {};
  const seen = new Set<string>();
  for (const one of all) {
    const place = `${one.topic} ${one.key}`;
    if (seen.has(`${place} ${one.id}`)) continue;
    seen.add(`${place} ${one.id}`);
    byKey[place] = [...(byKey[place] ?? []), one];
  }
  return Object.fromEntries(Object.entries(byKey).sort(([a], [b]) => (a < b ? -1 : 1)));
}
