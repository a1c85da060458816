/** From when on an escrow's money is watched: written with what makes it so. */
import { type Queryable, SqlColumns, type Tx } from "#platform/database/database";
import type { WriteRow } from "../schema.ts";

/** With the deposits of a transaction: from the first one on the money is held. */
export async function watchHoldings(tx: Tx, deposits: readonly WriteRow[]): Promise<void> {
  if (deposits.length === 0) return;
  const rows = deposits.map(({ escrow_no, at }) => ({ escrow_no, held_since: at, due_at: at }));
  const columns = new SqlColumns(rows);
  await tx.sql`
    INSERT INTO payments.holding AS h (${columns})
    SELECT DISTINCT ON (escrow_no) ${columns} FROM jsonb_populate_recordset(NULL::payments.holding,
      ${JSON.stringify(rows)}::jsonb) ORDER BY escrow_no
    ON CONFLICT (escrow_no) DO UPDATE SET due_at = coalesce(h.due_at, excluded.due_at)`;
}

/** His country may be another now. */
export async function countryChanged(db: Queryable, sellerId: string): Promise<void> {
  await db.sql`
    UPDATE payments.holding h SET limit_at = NULL, due_at = h.held_since
    FROM payments.payment p
    WHERE p.escrow_no = h.escrow_no AND p.seller_id = ${sellerId} AND h.due_at IS NOT NULL`;
}
