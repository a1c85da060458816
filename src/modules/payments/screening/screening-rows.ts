/** Rows of screenings and how they become values; read and written under the root's lock. */
import { SqlColumns, type Tx } from "#platform/database/database";
import type { Screening, ScreeningState } from "../domain/screening.ts";
import { text, type WriteRow } from "../schema.ts";

export interface ScreeningRow {
  readonly review_id: string;
  readonly escrow_no: bigint;
  readonly escrow_id: string;
  readonly purpose: Screening["purpose"];
  readonly deposit_id: string;
  readonly operation_id: string;
  readonly party_id: string;
  readonly address: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly state: ScreeningState;
  readonly reason: string;
  readonly told: boolean;
  readonly decided_by: readonly string[];
  readonly blocked_pending: bigint;
  readonly blocked_held: bigint;
  readonly blocked_fees: bigint;
  readonly blocked_suspense: bigint;
  readonly blocked_at: Date | null;
  readonly lifted_at: Date | null;
  readonly due_at: Date | null;
  readonly lease_until: Date | null;
  readonly tries: number;
  readonly opened_at: Date;
}

export function screeningOf(row: ScreeningRow): Screening {
  return {
    reviewId: row.review_id,
    purpose: row.purpose,
    depositId: row.deposit_id,
    operationId: row.operation_id,
    partyId: row.party_id,
    address: row.address,
    amount: row.amount,
    currency: row.currency,
    state: row.state,
    reason: row.reason,
    told: row.told,
    decidedBy: row.decided_by,
    blocked: {
      pending: row.blocked_pending,
      held: row.blocked_held,
      fees: row.blocked_fees,
      suspense: row.blocked_suspense,
    },
    blockedAt: row.blocked_at ?? undefined,
    liftedAt: row.lifted_at ?? undefined,
    dueAt: row.due_at ?? undefined,
    tries: row.tries,
    openedAt: row.opened_at,
  };
}

export function screeningRow(
  escrowNo: bigint,
  escrowId: string,
  screening: Screening,
  now: Date,
): WriteRow {
  const { blocked } = screening;
  return {
    review_id: screening.reviewId,
    escrow_no: text(escrowNo),
    escrow_id: escrowId,
    purpose: screening.purpose,
    deposit_id: screening.depositId,
    operation_id: screening.operationId,
    party_id: screening.partyId,
    address: screening.address,
    amount: text(screening.amount),
    currency: screening.currency,
    state: screening.state,
    reason: screening.reason,
    told: screening.told,
    decided_by: screening.decidedBy,
    blocked_pending: text(blocked.pending),
    blocked_held: text(blocked.held),
    blocked_fees: text(blocked.fees),
    blocked_suspense: text(blocked.suspense),
    blocked_at: screening.blockedAt ?? null,
    lifted_at: screening.liftedAt ?? null,
    due_at: screening.dueAt ?? null,
    lease_until: null,
    tries: screening.tries,
    opened_at: screening.openedAt,
    updated_at: now,
  };
}

export async function writeScreenings(tx: Tx, rows: readonly WriteRow[]): Promise<void> {
  if (rows.length === 0) return;
  const columns = new SqlColumns(rows);
  await tx.sql`
    INSERT INTO payments.screening AS s (${columns})
    SELECT ${columns}
    FROM jsonb_populate_recordset(NULL::payments.screening, ${JSON.stringify(rows)}::jsonb)
    ON CONFLICT (review_id) DO UPDATE SET
      state = excluded.state, reason = excluded.reason, told = excluded.told,
      decided_by = excluded.decided_by, blocked_pending = excluded.blocked_pending,
      blocked_held = excluded.blocked_held, blocked_fees = excluded.blocked_fees,
      blocked_suspense = excluded.blocked_suspense, blocked_at = excluded.blocked_at,
      lifted_at = excluded.lifted_at, due_at = excluded.due_at, lease_until = NULL,
      updated_at = excluded.updated_at`;
}

/** All of the escrows', by escrow number and review id. The caller holds the roots' locks. */
export async function loadScreenings(
  tx: Tx,
  escrowNos: readonly bigint[],
): Promise<Map<bigint, Map<string, Screening>>> {
  const found = new Map<bigint, Map<string, Screening>>(escrowNos.map((no) => [no, new Map()]));
  if (escrowNos.length === 0) return found;
  const rows = await tx.sql<ScreeningRow>`
    SELECT * FROM payments.screening WHERE escrow_no = ANY(${escrowNos}::bigint[])
    ORDER BY opened_at, review_id`;
  for (const row of rows) found.get(row.escrow_no)?.set(row.review_id, screeningOf(row));
  return found;
}
