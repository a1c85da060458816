/** What is read from the databases at each scrape: backlog, age, dead letters. */
import { SqlName } from "#platform/database";
import type { Metrics } from "#platform/metrics";
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
        SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::text AS age
        FROM ${new SqlName(schema, "outbox")}`;
      return Number(row?.age ?? "0");
    }),
  );
  counted("outbox_held", "Messages the log refused, set aside", "outbox_held");
  counted("parked_messages", "Parked messages, dead ones included", "parked");
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
