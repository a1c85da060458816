/** What is read at each scrape: of the databases backlog, age, dead letters; of the log, lag. */
import type { Clock } from "#platform/clock";
import { SqlName } from "#platform/database/database";
import type { EventLog } from "#platform/messaging/event-log";
import type { Metrics } from "#platform/telemetry/metrics";
import { type Databases, messagingSchemas } from "../stores.ts";

export function registerGauges({
  metrics,
  databases,
}: {
  metrics: Metrics;
  databases: Databases;
}): void {
  const counted = (name: string, help: string, table: string): void =>
    metrics.gauge(name, help, ["schema"], () =>
      perSchema(databases, async (db, schema) => {
        const [row] = await db.sql<{ n: bigint }>`
          SELECT count(*) AS n FROM ${new SqlName(schema, table)}`;
        return Number(row?.n ?? 0n);
      }),
    );
  counted("outbox_depth", "Messages waiting for the log, by schema", "outbox");
  metrics.gauge("outbox_oldest_age_seconds", "Age of the oldest waiting message", ["schema"], () =>
    perSchema(databases, async (db, schema) => {
      const [row] = await db.sql<{ age: string }>`
        SELECT extract(epoch FROM clock_timestamp() - at)::text AS age
        FROM ${new SqlName(schema, "outbox")} ORDER BY pos LIMIT 1`;
      return Number(row?.age ?? "0");
    }),
  );
  counted("outbox_held", "Messages the log refused, set aside", "outbox_held");
  counted("parked_messages", "Parked messages, dead ones included", "parked");
  const inState = (name: string, help: string, state: string): void =>
    metrics.gauge(name, help, ["schema"], () =>
      perSchema(databases, async (db, schema) => {
        const [row] = await db.sql<{ n: bigint }>`
          SELECT count(*) AS n FROM ${new SqlName(schema, "letter")} WHERE state = ${state}`;
        return Number(row?.n ?? 0n);
      }),
    );
  inState("dead_letters", "Messages that wait for an operator", "dead");
  inState("waiting_letters", "Failed messages that will be tried again", "waiting");
}

async function perSchema(
  databases: Databases,
  read: (db: Databases["escrow"], schema: string) => Promise<number>,
): Promise<{ labels: { schema: string }; value: number }[]> {
  return Promise.all(
    messagingSchemas.map(async (schema) => ({
      labels: { schema },
      value: await read(databases[schema], schema),
    })),
  );
}

/** A log that is away must not hold up a scrape: its figures are then missing. */
const lagPatienceMs = 2_000;

/** How far this process's handlers are behind, summed over the partitions of each topic. */
export function registerLag({
  metrics,
  log,
  clock,
  groups,
}: {
  readonly metrics: Metrics;
  readonly log: Pick<EventLog, "lag">;
  readonly clock: Pick<Clock, "sleep">;
  readonly groups: () => readonly string[];
}): void {
  metrics.gauge(
    "kafka_consumer_lag",
    "Messages a handler has yet to take, by its group",
    ["group", "topic"],
    async () => {
      const names = groups();
      if (names.length === 0) return [];
      const done = new AbortController();
      const late = clock.sleep(lagPatienceMs, done.signal).then(() => undefined);
      const read = log.lag(names);
      // Left alone when it comes too late.
      read.catch(() => undefined);
      const rows = await Promise.race([read, late]);
      done.abort();
      const sums = new Map<string, { labels: { group: string; topic: string }; value: number }>();
      for (const { group, topic, position, end } of rows ?? []) {
        const behind = Number(end > position ? end - position : 0n);
        const sum = sums.get(`${group} ${topic}`);
        sums.set(`${group} ${topic}`, {
          labels: { group, topic },
          value: (sum?.value ?? 0) + behind,
        });
      }
      return [...sums.values()];
    },
  );
}
