/**
 * What an operator sees and does about rows the log refused, and how much waits to be published.
 * A held row keeps back its key, and only that, until it is released to its old place.
 */
import { type Queryable, SqlName } from "#platform/database/database";

export interface HeldRow {
  readonly pos: bigint;
  readonly topic: string;
  readonly key: string;
  readonly messageId: string;
  readonly messageType: string;
  readonly bytes: number;
  readonly error: string;
  readonly heldAt: Date;
  /** How many later messages of the key wait behind it. */
  readonly behind: number;
}

/** Oldest first. */
export async function listHeld(
  db: Queryable,
  schema: string,
  { limit = 100 }: { readonly limit?: number } = {},
): Promise<readonly HeldRow[]> {
  const held = new SqlName(schema, "outbox_held");
  const outbox = new SqlName(schema, "outbox");
  return db.sql<HeldRow>`
    SELECT h.pos, h.aggregatetype AS topic, h.aggregateid AS key, h.id AS "messageId",
           h.type AS "messageType", octet_length(h.payload) AS bytes, h.error,
           h.held_at AS "heldAt",
           (SELECT count(*)::int FROM ${outbox} AS o
            WHERE o.shard = h.shard AND o.aggregatetype = h.aggregatetype
              AND o.aggregateid = h.aggregateid) AS behind
    FROM ${held} AS h ORDER BY h.pos LIMIT ${limit}::int`;
}

/**
 * Puts held rows back at their old positions, in front of what waits behind them; one that is
 * refused again is held again. Resolves to how many there were.
 */
export async function retryHeld(
  db: Queryable,
  schema: string,
  positions: readonly bigint[],
): Promise<number> {
  const held = new SqlName(schema, "outbox_held");
  const outbox = new SqlName(schema, "outbox");
  const released = await db.sql`
    WITH released AS (DELETE FROM ${held} WHERE pos = ANY(${positions}::bigint[]) RETURNING *)
    INSERT INTO ${outbox} (pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at)
    SELECT pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at
    FROM released RETURNING pos`;
  return released.length;
}

export interface Backlog {
  readonly waiting: number;
  readonly held: number;
  /** How long the oldest waiting row has been waiting; 0 when none is. */
  readonly oldestMs: number;
}

export async function outboxBacklog(db: Queryable, schema: string): Promise<Backlog> {
  const held = new SqlName(schema, "outbox_held");
  const outbox = new SqlName(schema, "outbox");
  const [row] = await db.sql<Backlog>`
    SELECT (SELECT count(*)::int FROM ${outbox}) AS waiting,
           (SELECT count(*)::int FROM ${held}) AS held,
           coalesce((SELECT extract(epoch FROM clock_timestamp() - at) * 1000 FROM ${outbox}
                     ORDER BY pos LIMIT 1), 0)::float8 AS "oldestMs"`;
  return row ?? { waiting: 0, held: 0, oldestMs: 0 };
}
