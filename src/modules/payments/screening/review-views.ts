/** Lists for operators: open reviews, deposits that wait for a word, what is and was blocked. */
import type { JsonValue } from "@bufbuild/protobuf";
import type { Database } from "#platform/database/database";

const mostShown = 500;

interface ReviewRow {
  readonly review_id: string;
  readonly escrow_id: string;
  readonly purpose: string;
  readonly party_id: string;
  readonly address: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly state: string;
  readonly reason: string;
  readonly opened_at: Date;
  readonly score: number | null;
  readonly source: string | null;
  readonly list_version: string | null;
}

/** The latest answer with each, oldest review first. */
export async function openReviews(db: Database): Promise<JsonValue> {
  const rows = await db.sql<ReviewRow>`
    SELECT s.*, a.score, a.source, a.list_version
    FROM payments.screening s LEFT JOIN LATERAL (
      SELECT score, source, list_version FROM payments.screening_answer
      WHERE subject_id = s.review_id ORDER BY answer_no DESC LIMIT 1) a ON true
    WHERE s.state IN ('HELD', 'BLOCKED') OR (s.state = 'DUE' AND s.told)
    ORDER BY s.opened_at, s.review_id LIMIT ${mostShown}`;
  return {
    items: rows.map((row) => ({
      reviewId: row.review_id,
      escrowId: row.escrow_id,
      purpose: row.purpose,
      partyId: row.party_id,
      address: row.address,
      amount: { amount: row.amount.toString(), currency: row.currency },
      state: row.state,
      reason: row.reason,
      openedAt: row.opened_at.toISOString(),
      ...(row.score !== null && { score: row.score }),
      source: row.source ?? "",
      listVersion: row.list_version ?? "",
    })),
  };
}

interface DepositRow {
  readonly deposit_id: string;
  readonly escrow_id: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly disposition: string;
  readonly source: string;
  readonly at: Date;
}

/** Of another asset, or short of what is asked; not yet on the way back. */
export async function depositsWaiting(db: Database): Promise<JsonValue> {
  const rows = await db.sql<DepositRow>`
    SELECT d.deposit_id, p.escrow_id, d.amount, d.currency, d.disposition, d.source, d.at
    FROM payments.deposit d JOIN payments.payment p USING (escrow_no)
    WHERE d.disposition NOT IN ('REVERTED', 'UNDONE')
      AND (d.currency <> p.currency OR (p.pending > 0 AND p.status = 'UNDERFUNDED'))
      AND NOT EXISTS (SELECT FROM payments.operation o
        WHERE o.escrow_no = d.escrow_no AND o.deposit_id = d.deposit_id AND o.state <> 'WITHDRAWN')
    ORDER BY d.at, d.deposit_id LIMIT ${mostShown}`;
  return {
    items: rows.map((row) => ({
      depositId: row.deposit_id,
      escrowId: row.escrow_id,
      amount: { amount: row.amount.toString(), currency: row.currency },
      disposition: row.disposition,
      source: row.source,
      at: row.at.toISOString(),
    })),
  };
}

interface BlockedRow {
  readonly review_id: string;
  readonly escrow_id: string;
  readonly purpose: string;
  readonly party_id: string;
  readonly address: string;
  readonly buyer_id: string;
  readonly seller_id: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly suspense: bigint;
  readonly asset: string;
  readonly undone: boolean;
  readonly blocked_at: Date;
  readonly lifted_at: Date | null;
  readonly decided_by: readonly string[];
  readonly source: string | null;
  readonly list_version: string | null;
}

/** For the report to the authorities, what is kept where it came included: who, how much, when, by which list; what was lifted, too. */
export async function blockedReport(db: Database): Promise<JsonValue> {
  const rows = await db.sql<BlockedRow>`
    SELECT s.review_id, s.escrow_id, s.purpose, s.party_id, s.address, p.buyer_id, p.seller_id,
      CASE WHEN s.blocked_pending + s.blocked_held + s.blocked_fees = 0 AND s.currency = p.currency
        THEN s.amount ELSE s.blocked_pending + s.blocked_held + s.blocked_fees END AS amount,
      p.currency,
      CASE WHEN s.blocked_suspense = 0 AND s.currency <> p.currency
        THEN s.amount ELSE s.blocked_suspense END AS suspense,
      s.currency AS asset, EXISTS (
        SELECT FROM payments.deposit d
        LEFT JOIN payments.operation o ON o.operation_id = s.operation_id
        WHERE d.escrow_no = s.escrow_no AND d.disposition = 'UNDONE'
          AND d.deposit_id IN (s.deposit_id, o.deposit_id)) AS undone,
      s.blocked_at, s.lifted_at, s.decided_by,
      a.source, a.list_version
    FROM payments.screening s JOIN payments.payment p USING (escrow_no) LEFT JOIN LATERAL (
      SELECT source, list_version FROM payments.screening_answer
      WHERE subject_id = s.review_id ORDER BY answer_no DESC LIMIT 1) a ON true
    WHERE s.blocked_at IS NOT NULL ORDER BY s.blocked_at, s.review_id`;
  return { items: rows.map(blockedView) };
}

function blockedView(row: BlockedRow): JsonValue {
  return {
    reviewId: row.review_id,
    escrowId: row.escrow_id,
    purpose: row.purpose,
    partyId: row.party_id,
    address: row.address,
    buyerId: row.buyer_id,
    sellerId: row.seller_id,
    amount: { amount: row.amount.toString(), currency: row.currency },
    ...(row.suspense > 0n && {
      otherAsset: { amount: row.suspense.toString(), currency: row.asset },
    }),
    ...(row.undone && { undone: true }),
    blockedAt: row.blocked_at.toISOString(),
    ...(row.lifted_at !== null && { liftedAt: row.lifted_at.toISOString() }),
    decidedBy: [...row.decided_by],
    source: row.source ?? "",
    listVersion: row.list_version ?? "",
  };
}
