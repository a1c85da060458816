/**
 * How far the topics have been looked through for published rows: kept in each outbox's database, in
 * a transaction that removed what was seen up to there. A position is never ahead of the removal; any
 * position, an earlier or a later one, is safe, since a row that was not seen is published once more.
 */
import type { Database, Tx } from "#platform/database/database";
import { consumerTables } from "#platform/messaging/consumer-tables";
import type { EventLog, LogBatch, PartitionEnds } from "#platform/messaging/event-log";

/** The group that reads, and the name its positions are kept under. */
export const publishedGroup = "outbox.published";

export interface WatchedOutbox {
  readonly schema: string;
  readonly db: Database;
}

export interface PublishedPositions {
  startAt(topic: string, partition: number, ends: PartitionEnds): Promise<bigint>;
  /** Writes how far one gets with these batches, in the transaction that removes what is in them. */
  keep(tx: Tx, schema: string, batches: readonly LogBatch[]): Promise<void>;
  /** All outboxes are rid of what is in them. */
  passed(batches: readonly LogBatch[], kept: boolean): void;
}

export interface PublishedPositionsOptions {
  readonly outboxes: readonly WatchedOutbox[];
  readonly log: Pick<EventLog, "clusterId" | "ends">;
}

interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly next: bigint;
}

export function createPublishedPositions(options: PublishedPositionsOptions): PublishedPositions {
  const { outboxes, log } = options;
  const moved = new Map<string, Position>();
  let cluster: string | undefined;

  const clusterId = async (): Promise<string> => {
    cluster ??= await log.clusterId();
    return cluster;
  };

  return {
    async startAt(topic, partition, ends) {
      const id = await clusterId();
      let first: bigint | undefined;
      for (const { schema, db } of outboxes) {
        const next = await keptOrEnd(db, schema, ends, id);
        if (first === undefined || next < first) first = next;
      }
      const next = first ?? ends.end;
      if (next <= ends.end) return next > ends.low ? next : ends.low;
      // Another owner may have gone on since; a topic made anew is read from its beginning.
      const now = (await log.ends([topic])).find((one) => one.partition === partition);
      return now === undefined || next <= now.end ? next : now.low;
    },
    async keep(tx, schema, batches) {
      const next = new Map([...moved, ...batches.flatMap(positionOf)]);
      // In one order, so that two processes never wait for each other.
      const sorted = [...next].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
      await tx.sql`
        INSERT INTO ${consumerTables(schema).cursor} AS c (consumer, topic, part, next, cluster_id)
        SELECT ${publishedGroup}, m.topic, m.part, m.next, ${await clusterId()}
        FROM unnest(${sorted.map(({ topic }) => topic)}::text[],
          ${sorted.map(({ partition }) => partition)}::int[],
          ${sorted.map(({ next }) => next)}::bigint[]) WITH ORDINALITY AS m(topic, part, next, n)
        ORDER BY m.n
        ON CONFLICT (consumer, topic, part) DO UPDATE
          SET next = excluded.next, cluster_id = excluded.cluster_id`;
    },
    passed(batches, kept) {
      if (kept) moved.clear();
      else for (const [id, next] of batches.flatMap(positionOf)) moved.set(id, next);
    },
  };
}

/** None of a batch without records. */
function positionOf({ topic, partition, records }: LogBatch): [string, Position][] {
  const last = records.at(-1);
  if (last === undefined) return [];
  return [[`${topic}/${partition}`, { topic, partition, next: last.offset + 1n }]];
}

/** At the first time the end: what was published before is published once more. */
async function keptOrEnd(
  db: Database,
  schema: string,
  { topic, partition, low, end }: PartitionEnds,
  clusterId: string,
): Promise<bigint> {
  const [row] = await db.sql<{ next: bigint }>`
    INSERT INTO ${consumerTables(schema).cursor} AS c (consumer, topic, part, next, cluster_id)
    VALUES (${publishedGroup}, ${topic}, ${partition}, ${end}, ${clusterId})
    ON CONFLICT (consumer, topic, part) DO UPDATE
      SET next = CASE WHEN c.cluster_id = excluded.cluster_id THEN c.next ELSE ${low}::bigint END,
          cluster_id = excluded.cluster_id
    RETURNING next`;
  return row?.next ?? end;
}

/** Where a relay publishes nobody looks, and what it publishes meanwhile is not to be read later. */
export async function forgetPositions(db: Database, schema: string): Promise<void> {
  await db.sql`
    DELETE FROM ${consumerTables(schema).cursor} WHERE consumer = ${publishedGroup}`;
}
