/**
 * The log in tables, in PGlite (one process) or PostgreSQL (several): the adapter used where no
 * Kafka is configured. It keeps the port's promises by locked counters, heartbeats and epochs.
 */
import type { Clock } from "../../clock.ts";
import type { Database } from "../../database/database.ts";
import { classifyDatabaseError } from "../../database/database-error.ts";
import { refuseInsideTx } from "../../database/inside-tx.ts";
import { TransientError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { EventLog, GroupLag, Subscription } from "../event-log.ts";
import { createTableProducer } from "./append.ts";
import { createMembership } from "./members.ts";
import { type LogTables, logTables } from "./names.ts";
import { readSlice } from "./read.ts";
import { createTableSubscription } from "./subscription.ts";
import { ensureTables } from "./topics.ts";
import { createTableWatch, readEnds } from "./watch.ts";

/** Other processes append to PostgreSQL, so it is asked often; the embedded database has only us. */
const tickMsByKind = { postgres: 25, pglite: 1_000 } as const;

export interface TableLogOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** Unique among the processes that share the database. */
  readonly memberId: string;
  readonly logger: Logger;
  readonly schema?: string;
  /**
   * No other process has this database open: members left behind by an earlier process are dead,
   * and their partitions are taken without waiting for their heartbeats to run out.
   */
  readonly exclusive?: boolean;
}

export function createTableLog(options: TableLogOptions): EventLog {
  const { db, clock, memberId, logger, schema = "log", exclusive = false } = options;
  const tables = logTables(schema);
  const watch = createTableWatch({ db, tables, logger, tickMs: tickMsByKind[db.kind] });
  const subscriptions = new Set<Subscription>();
  let members = 0;
  let forgotten: Promise<void> | undefined;

  return {
    kind: "table",
    clusterId: () => identity(db, tables),
    createProducer: () =>
      createTableProducer({ db, tables, clock, onAppend: (appended) => watch.onAppend(appended) }),
    subscribe(subscribeOptions) {
      refuseInsideTx("EventLog.subscribe");
      const { group, topics } = subscribeOptions;
      members += 1;
      const membership = createMembership({
        db,
        tables,
        group,
        member: `${memberId}.${members}`,
        topics,
      });
      const beat: typeof membership.beat = async () => {
        if (exclusive) {
          forgotten ??= forgetMembers(db, tables);
          await forgotten.catch((error: unknown) => {
            forgotten = undefined;
            throw error;
          });
        }
        return membership.beat();
      };
      const subscription = createTableSubscription({
        db,
        tables,
        clock,
        logger,
        watch,
        membership: { ...membership, beat },
        options: subscribeOptions,
      });
      subscriptions.add(subscription);
      return subscription;
    },
    ends: (topics) => readEnds(db, tables, topics),
    read: (topic, partition, from, limit) =>
      readSlice(db, tables, { topic, partition, from, limit }),
    lag: (groups) => lag(db, tables, groups),
    ensureTopics: (topics, ensureOptions = {}) => ensureTables(db, tables, topics, ensureOptions),
    async ping() {
      try {
        await db.sql`SELECT 1 FROM ${tables.topic} LIMIT 1`;
      } catch (error) {
        if (classifyDatabaseError(error) === "systemic") throw error;
        throw new TransientError("the log's database does not answer", { cause: error });
      }
    },
    async close() {
      await Promise.all([...subscriptions].map((subscription) => subscription.close()));
      subscriptions.clear();
    },
  };
}

async function identity(db: Database, tables: LogTables): Promise<string> {
  const read = (): Promise<{ id: string }[]> =>
    db.sql<{ id: string }>`SELECT id FROM ${tables.identity}`;
  const [known] = await read();
  if (known !== undefined) return known.id;
  await db.sql`
    INSERT INTO ${tables.identity} (id) VALUES (gen_random_uuid()::text) ON CONFLICT DO NOTHING`;
  const [made] = await read();
  return made?.id ?? "";
}

async function forgetMembers(db: Database, tables: LogTables): Promise<void> {
  await db.sql`DELETE FROM ${tables.member}`;
  await db.sql`UPDATE ${tables.cursor} SET owner = NULL WHERE owner IS NOT NULL`;
}

async function lag(
  db: Database,
  tables: LogTables,
  groups: readonly string[],
): Promise<GroupLag[]> {
  return db.sql<{ group: string; topic: string; partition: number; position: bigint; end: bigint }>`
    SELECT c.grp AS "group", c.topic, c.p AS partition, c.next AS position, p.next AS "end"
    FROM ${tables.cursor} c JOIN ${tables.partition} p ON p.topic = c.topic AND p.p = c.p
    WHERE c.grp = ANY(${groups}::text[]) AND c.next >= 0 ORDER BY c.grp, c.topic, c.p`;
}
