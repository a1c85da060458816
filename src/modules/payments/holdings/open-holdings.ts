/** Money that may soon be held no longer, or is held beyond that: operators' list. */
import type { Queryable } from "#platform/database/database";

export interface OpenHolding {
  readonly escrow_id: string;
  readonly provider: string;
  readonly currency: string;
  /** Minor units, still with us. */
  readonly amount: bigint;
  readonly held_since: Date;
  readonly limit_at: Date;
  readonly forced_at: Date | null;
}

const mostShown = 200;

/** From a fortnight before the limit on; the nearest first. */
export async function openHoldings(db: Queryable): Promise<OpenHolding[]> {
  return db.sql<OpenHolding>`
    SELECT p.escrow_id, p.provider, p.currency, h.held_since, h.limit_at, h.forced_at,
      p.pending + p.held + p.reserved + p.blocked AS amount
    FROM payments.holding h JOIN payments.payment p ON p.escrow_no = h.escrow_no
    WHERE h.alerted_at IS NOT NULL AND p.pending + p.held + p.reserved + p.blocked > 0
    ORDER BY h.limit_at, p.escrow_id LIMIT ${mostShown}`;
}
