/**
 * Puts our postings on a provider's clearing account beside the movements it lists, thing by thing:
 * the one query behind reconciliation and the invariant that watches it. The platform's own are
 * compared net: a fee is what they are about.
 */
import type { Queryable } from "#platform/database/database";
import type { Pair } from "./classify.ts";

/** Escrows whole; of the platform's book, and of what nobody knows, the named keys. */
export interface Scope {
  readonly escrowNos: readonly bigint[];
  readonly keys: readonly string[];
}

interface PairRow {
  readonly provider: string;
  readonly escrow_no: bigint;
  readonly key: string;
  readonly currency: string;
  readonly our_gross: bigint | null;
  readonly our_fee: bigint | null;
  readonly our_last: Date | null;
  readonly their_gross: bigint | null;
  readonly their_fee: bigint | null;
  readonly their_last: Date | null;
  readonly exchanged: boolean | null;
  readonly category: string | null;
  readonly open: boolean;
}

export async function compareBooks(
  db: Queryable,
  provider: string,
  { escrowNos, keys }: Scope,
): Promise<Pair[]> {
  const rows = await db.sql<PairRow>`
    WITH ours AS (
      SELECT t.escrow_no, c.currency,
        CASE WHEN c.dispute IS NOT NULL THEN c.dispute
          WHEN o.kind IN ('CREATE_PAYMENT', 'CANCEL_PAYMENT') OR d.deposit_id IS NOT NULL
            OR po.kind = 'payment' OR t.reference IN (p.provider_ref, p.payment_id) THEN 'payment'
          ELSE t.reference END AS key,
        sum(c.net + CASE t.escrow_no WHEN 0 THEN 0 ELSE c.fee END)::bigint AS gross,
        sum(CASE t.escrow_no WHEN 0 THEN 0 ELSE c.fee END)::bigint AS fee, max(t.at) AS last_at
      FROM payments.ledger_transaction t
      JOIN LATERAL (
        SELECT e.currency, max(e.owner) FILTER (WHERE e.account = 'dispute') AS dispute,
          sum(e.amount) FILTER (WHERE e.account = 'clearing' AND e.owner = ${provider}) AS net,
          coalesce(sum(e.amount) FILTER (WHERE e.account = 'provider_fees'), 0) AS fee
        FROM payments.entry e WHERE e.escrow_no = t.escrow_no AND e.number = t.number
        GROUP BY e.currency
        HAVING bool_or(e.account = 'clearing' AND e.owner = ${provider})
      ) c ON true
      LEFT JOIN payments.payment p ON p.escrow_no = t.escrow_no
      LEFT JOIN payments.operation o ON o.operation_id = t.reference AND o.escrow_no = t.escrow_no
      LEFT JOIN payments.deposit d ON d.escrow_no = t.escrow_no AND d.deposit_id = t.reference
      LEFT JOIN payments.provider_object po
        ON po.provider = ${provider} AND po.object_id = t.reference
      WHERE t.escrow_no = ANY(${escrowNos}::bigint[])
        OR (t.escrow_no = 0 AND t.reference = ANY(${keys}::text[]))
      GROUP BY 1, 2, 3
    ), theirs AS (
      SELECT escrow_no, currency, key,
        sum(CASE WHEN platform THEN amount - fee ELSE amount END)::bigint AS gross,
        sum(CASE WHEN platform THEN 0 ELSE fee END)::bigint AS fee,
        max(at) AS last_at, bool_or(exchanged) AS exchanged, min(category) AS category
      FROM payments.provider_movement
      WHERE provider = ${provider} AND (escrow_no = ANY(${escrowNos}::bigint[])
        OR (escrow_no = 0 AND key = ANY(${keys}::text[])))
      GROUP BY 1, 2, 3
    ), paired AS (
      SELECT escrow_no, key, currency,
        ours.gross AS our_gross, ours.fee AS our_fee, ours.last_at AS our_last,
        theirs.gross AS their_gross, theirs.fee AS their_fee, theirs.last_at AS their_last,
        theirs.exchanged, theirs.category
      FROM ours FULL JOIN theirs USING (escrow_no, key, currency)
    )
    SELECT ${provider}::text AS provider, b.*,
      EXISTS (
        SELECT FROM payments.operation x WHERE x.operation_id = b.key
          AND x.state IN ('READY', 'SENT', 'UNKNOWN', 'LOOKUP', 'PENDING', 'PERSON')
      ) OR EXISTS (
        SELECT FROM payments.payment y
        JOIN payments.provider_object z ON z.provider = ${provider} AND z.escrow_id = y.escrow_id
        WHERE y.escrow_no = b.escrow_no AND z.sync_due_at IS NOT NULL
          AND (z.object_id = b.key OR (b.key = 'payment' AND z.kind = 'payment'))
      ) AS open
    FROM paired b ORDER BY escrow_no, key, currency`;
  return rows.map(pairOf);
}

function pairOf(row: PairRow): Pair {
  const { provider, escrow_no: escrowNo, key, currency, open } = row;
  return {
    provider,
    escrowNo,
    key,
    currency,
    open,
    category: row.category ?? "",
    ours: sideOf(row.our_gross, row.our_fee, row.our_last),
    theirs: theirSide(row),
  };
}

function theirSide(row: PairRow): Pair["theirs"] {
  const side = sideOf(row.their_gross, row.their_fee, row.their_last);
  return side && { ...side, exchanged: row.exchanged === true };
}

function sideOf(gross: bigint | null, fee: bigint | null, lastAt: Date | null) {
  return gross === null || fee === null || lastAt === null ? undefined : { gross, fee, lastAt };
}
