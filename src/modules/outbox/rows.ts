/**
 * The relay's statements on an outbox. Rows are read from the lowest unsent of each shard and
 * deleted by their exact positions: a row that committed late, below what was read, stays.
 */
import { type Database, SqlName } from "#platform/database/database";
import type { NewRecord } from "#platform/messaging/event-log";
import type { ShardLease } from "./leases.ts";

export interface OutboxRow extends NewRecord {
  readonly pos: bigint;
  readonly shard: number;
}

export interface ReadOptions {
  readonly leases: readonly ShardLease[];
  /** Per lease: rows at or below are not read: they are gone, or sent and not yet seen. */
  readonly floors: readonly bigint[];
  /** Topics that wait by themselves. */
  readonly paused: readonly string[];
  readonly perShard: number;
  /** Rows beyond are not looked at; all are unless said. */
  readonly upTo?: bigint | undefined;
}

export interface OutboxRows {
  /** In order of position; without topics that are paused and keys that are held. */
  read(options: ReadOptions): Promise<readonly OutboxRow[]>;
  remove(positions: readonly bigint[]): Promise<void>;
  /** Moves one row out of the way. False when the lease has changed hands: then it is not ours to judge. */
  setAside(row: OutboxRow, lease: ShardLease, owner: string, error: string): Promise<boolean>;
}

const lastPosition = 9_223_372_036_854_775_807n;
/** Per shard and read; the first row always comes. */
const maxBytesPerShard = 1_048_576;

export function createOutboxRows(db: Database, schema: string): OutboxRows {
  const outbox = new SqlName(schema, "outbox");
  const held = new SqlName(schema, "outbox_held");
  const lease = new SqlName(schema, "outbox_lease");
  return {
    // LATERAL: each shard walks its index from the floor; `shard = ANY` would sort the backlog.
    read: ({ leases, floors, paused, perShard, upTo = lastPosition }) => db.sql<OutboxRow>`
      SELECT m.pos, m.shard, m.aggregatetype AS topic, m.aggregateid AS key,
             m.payload AS value, m.headers
      FROM unnest(${leases.map(({ shard }) => shard)}::smallint[], ${floors}::bigint[])
             AS s(shard, floor)
      CROSS JOIN LATERAL (
        SELECT n.*, sum(octet_length(n.payload)) OVER (ORDER BY n.pos) AS bytes
        FROM (
          SELECT o.* FROM ${outbox} AS o
          WHERE o.shard = s.shard AND o.pos > s.floor AND o.pos <= ${upTo}::bigint
            AND o.aggregatetype <> ALL(${paused}::text[])
            AND NOT EXISTS (
              SELECT 1 FROM ${held} AS h
              WHERE h.shard = o.shard AND h.aggregatetype = o.aggregatetype
                AND h.aggregateid = o.aggregateid)
          ORDER BY o.pos LIMIT ${perShard}::int
        ) AS n
      ) AS m
      WHERE m.bytes - octet_length(m.payload) < ${maxBytesPerShard}::int
      ORDER BY m.pos`,
    remove: async (positions) => {
      if (positions.length > 0) {
        await db.sql`DELETE FROM ${outbox} WHERE pos = ANY(${positions}::bigint[])`;
      }
    },
    // FOR SHARE: a takeover waits for this, and this one sees a takeover.
    setAside: async (row, { shard, token }, owner, error) => {
      const moved = await db.sql`
        WITH mine AS (
          SELECT 1 FROM ${lease}
          WHERE shard = ${shard}::int AND owner = ${owner}::text AND token = ${token}::bigint
          FOR SHARE
        ), moved AS (
          DELETE FROM ${outbox} WHERE pos = ${row.pos}::bigint AND EXISTS (SELECT 1 FROM mine)
          RETURNING *
        )
        INSERT INTO ${held}
          (pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, error)
        SELECT pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, ${error}::text
        FROM moved RETURNING pos`;
      return moved.length > 0;
    },
  };
}
