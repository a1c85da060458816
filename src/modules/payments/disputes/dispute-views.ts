/** Disputes and debts as they are shown: amounts as strings, states in capitals, no text of anybody. */
import { max, min, takeInOrder } from "#kernel/money";
import type { Database } from "#platform/database/database";
import type { DisputeRow } from "./dispute-rows.ts";

export async function disputesOf(db: Database, escrowNo: bigint) {
  const rows = await db.sql<DisputeRow>`
    SELECT * FROM payments.dispute WHERE escrow_no = ${escrowNo} ORDER BY opened_at, dispute_id`;
  const owed = await stillOwed(db, escrowNo, rows);
  return rows.map((row) => ({
    disputeId: row.dispute_id,
    kind: row.kind,
    status: row.status.toUpperCase(),
    locked: row.lock !== "NONE",
    reason: row.reason,
    amount: { amount: row.amount.toString(), currency: row.currency },
    taken: row.taken.toString(),
    reinstated: row.reinstated.toString(),
    open: row.open.toString(),
    fromEscrow: (row.fees + row.pending + row.held).toString(),
    debt: row.debt.toString(),
    owed: `${owed.get(row.dispute_id) ?? 0n}`,
    losses: row.losses.toString(),
    payable: row.payable.toString(),
    openedAt: row.opened_at.toISOString(),
    ...(row.due_by !== null && { evidenceDueBy: row.due_by.toISOString() }),
  }));
}

/**
 * What the seller owes of each to this day: what was taken back here repaid the oldest first, and no
 * more is owed than he owes in all, since what was kept elsewhere or forgiven names no dispute.
 */
async function stillOwed(
  db: Database,
  escrowNo: bigint,
  rows: readonly DisputeRow[],
): Promise<ReadonlyMap<string, bigint>> {
  const [found] = await db.sql<{ here: bigint; all: bigint }>`
    SELECT coalesce((SELECT sum(e.amount) FROM payments.entry e
        WHERE e.escrow_no = p.escrow_no AND e.account = 'seller_debt'), 0)::bigint AS here,
      coalesce((SELECT owed FROM payments.seller_debt d
        WHERE d.party_id = p.seller_id AND d.currency = p.currency), 0)::bigint AS all
    FROM payments.payment p WHERE escrow_no = ${escrowNo}`;
  const owed = min(found?.here ?? 0n, found?.all ?? 0n);
  const newest = rows.toReversed();
  const { parts } = takeInOrder(
    max(owed, 0n),
    newest.map(({ debt }) => debt),
  );
  return new Map(newest.map(({ dispute_id }, i) => [dispute_id, parts[i] ?? 0n]));
}

export async function escrowOfDispute(
  db: Database,
  disputeId: string,
): Promise<string | undefined> {
  const [row] = await db.sql<{ escrow_id: string }>`
    SELECT escrow_id FROM payments.dispute WHERE dispute_id = ${disputeId} ORDER BY escrow_no LIMIT 1`;
  return row?.escrow_id;
}

const mostShown = 500;

/** What is owed now; of all parties when none is named. */
export async function debtsOf(db: Database, partyId: string | undefined) {
  const rows = await db.sql<{ party_id: string; currency: string; owed: bigint }>`
    SELECT party_id, currency, owed FROM payments.seller_debt
    WHERE owed > 0 AND (${partyId === undefined}::boolean OR party_id = ${partyId ?? ""})
    ORDER BY party_id, currency LIMIT ${mostShown}`;
  return rows.map(({ party_id, currency, owed }) => ({
    partyId: party_id,
    owed: { amount: owed.toString(), currency },
  }));
}

/** In whose book a write-off stands: the first escrow that made the party owe; always the same one. */
export async function escrowOfDebt(
  db: Database,
  partyId: string,
  currency: string,
): Promise<string | undefined> {
  const [row] = await db.sql<{ escrow_id: string }>`
    SELECT t.escrow_id FROM payments.entry e
    JOIN payments.ledger_transaction t USING (escrow_no, number)
    WHERE e.account = 'seller_debt' AND e.owner = ${partyId} AND e.currency = ${currency}
    ORDER BY e.escrow_no, e.number LIMIT 1`;
  return row?.escrow_id;
}
