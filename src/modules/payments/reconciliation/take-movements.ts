/**
 * Keeps the lines of a provider's books as they are read and says whose each is. A line is kept
 * once; one of the platform's own kind is booked by rule in the transaction that keeps it first.
 */
import { SqlColumns, type Tx } from "#platform/database/database";
import { bookForPlatform } from "../ledger/platform-book.ts";
import { isPlatformCategory, platformMovement } from "../ledger/post-platform.ts";
import type { ProviderMovement } from "../provider.ts";
import type { Scope } from "./compare.ts";

interface KeptRow {
  readonly movement_id: string;
  readonly escrow_no: bigint;
  readonly key: string;
  readonly fresh: boolean;
}

/** Returns what the page is about, to be compared. */
export async function takeMovements(
  tx: Tx,
  provider: string,
  movements: readonly ProviderMovement[],
  now: Date,
): Promise<Scope> {
  if (movements.length === 0) return { escrowNos: [], keys: [] };
  const rows = movements.map((movement) => ({
    provider,
    movement_id: movement.movementId,
    object_id: movement.objectId,
    category: movement.category,
    amount: movement.amount.toString(),
    fee: movement.fee.toString(),
    currency: movement.currency,
    exchanged: movement.exchanged,
    at: movement.at,
    escrow_no: "0",
    key: movement.movementId,
    platform: isPlatformCategory(movement.category),
  }));
  const columns = new SqlColumns(rows);
  // What a provider says of an old line now counts; a fee may be known later than its movement.
  const kept = await tx.sql<KeptRow>`
    INSERT INTO payments.provider_movement AS m (${columns})
    SELECT ${columns} FROM jsonb_populate_recordset(NULL::payments.provider_movement,
      ${JSON.stringify(rows)}::jsonb) ORDER BY movement_id
    ON CONFLICT (provider, movement_id) DO UPDATE SET amount = excluded.amount, fee = excluded.fee,
      currency = excluded.currency, exchanged = excluded.exchanged
    RETURNING movement_id, escrow_no, key, xmax = 0 AS fresh`;
  const fresh = new Set(kept.filter((row) => row.fresh).map(({ movement_id }) => movement_id));
  await book(
    tx,
    provider,
    movements.filter(({ movementId }) => fresh.has(movementId)),
    now,
  );
  const known = kept.filter((row) => !row.fresh);
  return join(scopeOf(known), await attribute(tx, provider, [...fresh]));
}

/** A line of an unknown category, or one that was converted on the way, is left for a person. */
async function book(
  tx: Tx,
  provider: string,
  movements: readonly ProviderMovement[],
  now: Date,
): Promise<void> {
  const byRule = movements.filter(
    ({ category, exchanged }) => isPlatformCategory(category) && !exchanged,
  );
  const transactions = byRule.map(({ movementId: reference, category, currency, amount, fee }) => ({
    reference,
    currency,
    transaction: platformMovement(provider, category, { amount, fee }),
  }));
  await bookForPlatform(tx, transactions, now);
}

/** Those nobody could be named for may have become known since. */
export async function attributeUnknown(tx: Tx, provider: string): Promise<Scope> {
  const unknown = await tx.sql<{ movement_id: string }>`
    SELECT movement_id FROM payments.provider_movement
    WHERE provider = ${provider} AND escrow_no = 0 AND NOT platform`;
  return attribute(
    tx,
    provider,
    unknown.map(({ movement_id }) => movement_id),
  );
}

/** By the object it moved for, as calls, webhooks and deposits made it known here. */
async function attribute(tx: Tx, provider: string, movementIds: readonly string[]): Promise<Scope> {
  if (movementIds.length === 0) return { escrowNos: [], keys: [] };
  const rows = await tx.sql<Pick<KeptRow, "escrow_no" | "key">>`
    UPDATE payments.provider_movement m SET escrow_no = n.escrow_no, key = n.key
    FROM (
      SELECT m.movement_id, coalesce(p.escrow_no, d.escrow_no, 0) AS escrow_no,
        CASE WHEN m.platform THEN m.movement_id
          WHEN o.kind IN ('transfer', 'refund', 'reversal') AND o.operation_id IS NOT NULL
            THEN o.operation_id
          WHEN o.kind = 'payment' OR d.deposit_id IS NOT NULL THEN 'payment'
          WHEN m.object_id <> '' THEN m.object_id
          ELSE m.movement_id END AS key
      FROM payments.provider_movement m
      LEFT JOIN payments.provider_object o
        ON o.provider = m.provider AND o.object_id = m.object_id AND NOT m.platform
      LEFT JOIN payments.payment p ON p.escrow_id = o.escrow_id
      LEFT JOIN payments.deposit d
        ON d.provider = m.provider AND d.deposit_id = m.object_id AND NOT m.platform
      WHERE m.provider = ${provider} AND m.movement_id = ANY(${movementIds}::text[])
    ) n
    WHERE m.provider = ${provider} AND m.movement_id = n.movement_id
    RETURNING m.escrow_no, m.key`;
  return scopeOf(rows);
}

function scopeOf(rows: readonly Pick<KeptRow, "escrow_no" | "key">[]): Scope {
  return {
    escrowNos: rows.filter(({ escrow_no }) => escrow_no !== 0n).map(({ escrow_no }) => escrow_no),
    keys: rows.filter(({ escrow_no }) => escrow_no === 0n).map(({ key }) => key),
  };
}

export function join(...scopes: readonly Scope[]): Scope {
  return {
    escrowNos: [...new Set(scopes.flatMap(({ escrowNos }) => escrowNos))],
    keys: [...new Set(scopes.flatMap(({ keys }) => keys))],
  };
}
