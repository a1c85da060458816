/**
 * Cover: what lies at a provider less what is owed out of it, per currency. It falls below zero by
 * the provider's fees, and a float is topped up by that much; but for what the sellers' own fees,
 * taken only when their money is released, will bring in again.
 */
import type { Queryable } from "#platform/database/database";

export interface Cover {
  readonly provider: string;
  readonly currency: string;
  /** Minor units, as are all amounts here. */
  readonly clearing: bigint;
  /** To buyers and sellers: of escrows at this provider, and what nobody could be named for. */
  readonly owed: bigint;
  /** Of `owed`, what stays with the platform once all that is held is released. */
  readonly feesToCome: bigint;
}

/** What lies there beyond all that is owed, once a healthy sale's fees have made good what it cost. */
export function marginOf({ clearing, owed, feesToCome }: Cover): bigint {
  return clearing + feesToCome - owed;
}

export function isUncovered(cover: Cover): boolean {
  return marginOf(cover) < 0n;
}

/** From the roots' own balances, which the database holds to the entries; one pass over the escrows. */
export async function coverOf(db: Queryable): Promise<Cover[]> {
  return db.sql<Cover>`
    SELECT provider, currency, sum(clearing)::bigint AS clearing, sum(owed)::bigint AS owed,
      sum(fees_to_come)::bigint AS "feesToCome"
    FROM (
      SELECT provider, currency, 0 AS clearing, pending + held + reserved + blocked AS owed,
        floor(seller_fee::numeric * LEAST(held + reserved, amount) / amount) AS fees_to_come
      FROM payments.payment
      UNION ALL
      SELECT owner, currency, CASE WHEN account = 'clearing' THEN amount ELSE 0 END,
        CASE WHEN account = 'clearing' THEN 0 ELSE -amount END, 0
      FROM payments.entry WHERE account IN ('clearing', 'suspense', 'suspense_blocked')
      UNION ALL
      SELECT p.provider, e.currency, 0, -e.amount, 0
      FROM payments.entry e JOIN payments.payment p ON p.escrow_no = e.escrow_no
      WHERE e.account = 'seller_payable'
    ) books GROUP BY provider, currency ORDER BY provider, currency`;
}
