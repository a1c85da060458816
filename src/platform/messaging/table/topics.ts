/** Creates and repairs the topics of the log in tables, and deletes what they keep no longer. */
import type { Clock } from "../../clock.ts";
import type { Database, Tx } from "../../database/database.ts";
import type { Worker } from "../../module.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { EnsureTopicsOptions, TopicChange, TopicSettings } from "../event-log.ts";
import { refuseReorder } from "../topic-changes.ts";
import { type LogTables, logTables } from "./names.ts";

interface TopicRow {
  readonly name: string;
  readonly partitions: number;
  readonly retention_days: number | null;
  readonly timestamps: "create" | "append";
}

export async function ensureTables(
  db: Database,
  tables: LogTables,
  topics: readonly TopicSettings[],
  { dryRun = false, allowReorder = false }: EnsureTopicsOptions,
): Promise<TopicChange[]> {
  return db.withTx(async (tx) => {
    const names = topics.map(({ name }) => name);
    // Two processes that start together: the second waits, then finds nothing to do.
    await tx.sql`SELECT pg_advisory_xact_lock(hashtext(${tables.topic.text}))`;
    const rows = await tx.sql<TopicRow>`
      SELECT * FROM ${tables.topic} WHERE name = ANY(${names}::text[])`;
    const known = new Map(rows.map((row) => [row.name, row]));
    const found = topics.map((topic) => differences(topic, known.get(topic.name)));
    if (dryRun) return found.flat();
    refuseReorder(found.flat(), allowReorder);
    for (const [index, topic] of topics.entries()) {
      if (found[index]?.length) await write(tx, tables, topic);
    }
    return found.flat();
  });
}

function differences(topic: TopicSettings, row: TopicRow | undefined): TopicChange[] {
  const { name, partitions, timestamps } = topic;
  if (row === undefined) return [{ kind: "create", topic: name, wanted: String(partitions) }];
  const changes: TopicChange[] = [];
  const differ = (kind: "reorder" | "set", setting: string, is: unknown, wanted: unknown) => {
    if (is === wanted) return;
    const named = kind === "set" ? { setting } : {};
    changes.push({ kind, topic: name, ...named, is: String(is), wanted: String(wanted) });
  };
  differ("reorder", "partitions", row.partitions, partitions);
  differ("set", "retention", row.retention_days ?? "forever", topic.retentionDays);
  differ("set", "timestamps", row.timestamps, timestamps);
  return changes;
}

async function write(tx: Tx, tables: LogTables, topic: TopicSettings): Promise<void> {
  const { name, partitions, timestamps } = topic;
  const retention = retentionOf(topic);
  await tx.sql`
    INSERT INTO ${tables.topic} (name, partitions, retention_days, timestamps)
    VALUES (${name}, ${partitions}, ${retention}, ${timestamps})
    ON CONFLICT (name) DO UPDATE SET partitions = excluded.partitions,
      retention_days = excluded.retention_days, timestamps = excluded.timestamps`;
  await tx.sql`
    INSERT INTO ${tables.partition} (topic, p)
    SELECT ${name}, p FROM generate_series(0, ${partitions}::int - 1) p ON CONFLICT DO NOTHING`;
}

function retentionOf({ retentionDays }: TopicSettings): number | null {
  return retentionDays === "forever" ? null : retentionDays;
}

export interface RetentionDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly schema?: string;
}

/** Rows deleted per step: small, because the counter's lock holds up appends meanwhile. */
const sliceSize = 500;

/** Deletes what is older than its topic keeps, from the front, one slice of one partition a step. */
export function createLogRetention({ db, clock, logger, schema = "log" }: RetentionDeps): Worker {
  const tables = logTables(schema);
  return {
    name: "log.retention",
    idleMs: 600_000,
    async step() {
      // The oldest kept record of each partition decides whether there is anything to do.
      const [due] = await db.sql<{ topic: string; p: number; days: number }>`
        SELECT p.topic, p.p, t.retention_days AS days
        FROM ${tables.topic} t JOIN ${tables.partition} p ON p.topic = t.name
        JOIN ${tables.message} m ON m.topic = p.topic AND m.p = p.p AND m.off = p.low
        WHERE m.at < ${clock.wall()}::timestamptz - make_interval(days => t.retention_days) LIMIT 1`;
      if (due === undefined) return "idle";
      const cutoff = new Date(clock.wall().getTime() - due.days * 86_400_000);
      const deleted = await db.withTx((tx) => deleteSlice(tx, tables, { ...due, cutoff }));
      logger.debug({ topic: due.topic, partition: due.p, deleted }, "expired records deleted");
      return "worked";
    },
  };
}

async function deleteSlice(
  tx: Tx,
  tables: LogTables,
  { topic, p, cutoff }: { topic: string; p: number; cutoff: Date },
): Promise<number> {
  const [row] = await tx.sql<{ low: bigint }>`
    SELECT low FROM ${tables.partition} WHERE topic = ${topic} AND p = ${p} FOR UPDATE`;
  const low = row?.low ?? 0n;
  // Up to the first one that is still kept, so that what remains has no holes.
  const [kept] = await tx.sql<{ low: bigint }>`
    SELECT coalesce(min(off) FILTER (WHERE at >= ${cutoff}), max(off) + 1, ${low}) AS low
    FROM (SELECT off, at FROM ${tables.message}
          WHERE topic = ${topic} AND p = ${p} AND off >= ${low} ORDER BY off LIMIT ${sliceSize}) front`;
  const next = kept?.low ?? low;
  // In the transaction that deletes: a reader below `low` knows that it missed something.
  await tx.sql`UPDATE ${tables.partition} SET low = ${next} WHERE topic = ${topic} AND p = ${p}`;
  await tx.sql`
    DELETE FROM ${tables.message} WHERE topic = ${topic} AND p = ${p} AND off < ${next}`;
  return Number(next - low);
}
