/**
 * What an operator sees and does about rows the log refused. A held row keeps back its key, and only
 * that, until it is released to its old place.
 */
import { type Queryable, SqlName } from "#platform/database/database";
import type { HeldRow } from "#platform/messaging/held-row";

export interface ListHeldOptions {
  readonly limit?: number;
  /** Only these. */
  readonly positions?: readonly bigint[] | undefined;
}

/** Oldest first. */
export async function listHeld(
  db: Queryable,
  schema: string,
  { limit = 100, positions }: ListHeldOptions = {},
): Promise<readonly HeldRow[]> {
  const held = new SqlName(schema, "outbox_held");
  const outbox = new SqlName(schema, "outbox");
  const only = positions ?? null;
  return db.sql<HeldRow>`
    SELECT h.pos, h.aggregatetype AS topic, h.aggregateid AS key, h.id AS "messageId",
           h.type AS "messageType", octet_length(h.payload) AS bytes, h.error,
           h.held_at AS "heldAt",
           (SELECT count(*)::int FROM ${outbox} AS o
            WHERE o.shard = h.shard AND o.aggregatetype = h.aggregatetype
              AND o.aggregateid = h.aggregateid) AS behind
    FROM ${held} AS h WHERE (${only}::bigint[] IS NULL OR h.pos = ANY(${only}::bigint[]))
    ORDER BY h.held_at, h.pos LIMIT ${limit}::int`;
}

/**
 * Puts held rows back at their old positions, in front of what waits behind them; one that is
 * refused again is held again. Resolves to the positions of those that were there.
 */
export async function retryHeld(
  db: Queryable,
  schema: string,
  positions: readonly bigint[],
): Promise<readonly bigint[]> {
  const held = new SqlName(schema, "outbox_held");
  const outbox = new SqlName(schema, "outbox");
  const released = await db.sql<{ pos: bigint }>`
    WITH released AS (DELETE FROM ${held} WHERE pos = ANY(${positions}::bigint[]) RETURNING *)
    INSERT INTO ${outbox} (pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at)
    SELECT pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at
    FROM released RETURNING pos`;
  return released.map(({ pos }) => pos);
}
