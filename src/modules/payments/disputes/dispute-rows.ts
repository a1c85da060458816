/** Rows of disputes and how they become values; read under the root's lock. */
import { SqlColumns, type Tx } from "#platform/database/database";
import type { BookedMovement, Dispute } from "../domain/dispute.ts";
import type { Payment } from "../domain/payment.ts";
import { text, type WriteRow } from "../schema.ts";

export interface DisputeRow {
  readonly escrow_no: bigint;
  readonly dispute_id: string;
  readonly kind: Dispute["kind"];
  readonly status: Dispute["status"];
  readonly lock: Dispute["lock"];
  readonly currency: string;
  readonly amount: bigint;
  readonly reason: string;
  readonly due_by: Date | null;
  readonly taken: bigint;
  readonly reinstated: bigint;
  readonly open: bigint;
  readonly fees: bigint;
  readonly pending: bigint;
  readonly held: bigint;
  readonly debt: bigint;
  readonly losses: bigint;
  readonly payable: bigint;
  readonly opened_at: Date;
}

export function disputeRow(
  escrowNo: bigint,
  payment: Payment,
  { dispute }: { readonly dispute: Dispute },
  now: Date,
): WriteRow {
  return {
    escrow_no: text(escrowNo),
    dispute_id: dispute.disputeId,
    escrow_id: payment.escrowId,
    provider: payment.provider,
    kind: dispute.kind,
    status: dispute.status,
    lock: dispute.lock,
    currency: payment.currency,
    amount: text(dispute.amount),
    reason: dispute.reason,
    due_by: dispute.dueBy ?? null,
    taken: text(dispute.taken),
    reinstated: text(dispute.reinstated),
    open: text(dispute.open),
    fees: text(dispute.fees),
    pending: text(dispute.pending),
    held: text(dispute.held),
    debt: text(dispute.debt),
    losses: text(dispute.losses),
    payable: text(dispute.payable),
    opened_at: now,
    updated_at: now,
  };
}

export function movementRow(escrowNo: bigint, movement: BookedMovement, now: Date): WriteRow {
  const { disputeId, movementId, direction, amount, fee } = movement;
  return {
    escrow_no: text(escrowNo),
    dispute_id: disputeId,
    movement_id: movementId,
    direction,
    amount: text(amount),
    fee: text(fee),
    at: now,
  };
}

export async function writeDisputes(tx: Tx, rows: readonly WriteRow[]): Promise<void> {
  if (rows.length === 0) return;
  const columns = new SqlColumns(rows);
  await tx.sql`
    INSERT INTO payments.dispute AS d (${columns})
    SELECT ${columns}
    FROM jsonb_populate_recordset(NULL::payments.dispute, ${JSON.stringify(rows)}::jsonb)
    ON CONFLICT (escrow_no, dispute_id) DO UPDATE SET
      status = excluded.status, lock = excluded.lock, amount = excluded.amount,
      reason = excluded.reason, due_by = excluded.due_by, taken = excluded.taken,
      reinstated = excluded.reinstated, open = excluded.open, fees = excluded.fees,
      pending = excluded.pending, held = excluded.held, debt = excluded.debt,
      losses = excluded.losses, payable = excluded.payable, updated_at = excluded.updated_at`;
}

/** All disputes of the payments, with the movements that are booked. Key: the escrow's number. */
export async function loadDisputes(
  tx: Tx,
  escrowNos: readonly bigint[],
): Promise<Map<bigint, Map<string, Dispute>>> {
  const found = new Map<bigint, Map<string, Dispute>>();
  if (escrowNos.length === 0) return found;
  const rows = await tx.sql<DisputeRow & { movements: readonly string[] }>`
    SELECT d.*, ARRAY(
      SELECT movement_id FROM payments.dispute_movement m
      WHERE m.escrow_no = d.escrow_no AND m.dispute_id = d.dispute_id) AS movements
    FROM payments.dispute d WHERE escrow_no = ANY(${escrowNos}::bigint[])
    ORDER BY opened_at, dispute_id`;
  for (const row of rows) {
    const disputes = found.get(row.escrow_no) ?? new Map<string, Dispute>();
    disputes.set(row.dispute_id, disputeOf(row, row.movements));
    found.set(row.escrow_no, disputes);
  }
  return found;
}

function disputeOf(row: DisputeRow, movements: readonly string[]): Dispute {
  const { kind, status, lock, amount, reason, taken, reinstated, open } = row;
  const { fees, pending, held, debt, losses, payable } = row;
  return {
    disputeId: row.dispute_id,
    ...{ kind, status, lock, amount, reason, taken, reinstated, open },
    ...{ fees, pending, held, debt, losses, payable },
    dueBy: row.due_by ?? undefined,
    movements: new Set(movements),
  };
}
