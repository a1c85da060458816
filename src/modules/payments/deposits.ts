/** Booked deposits: what came, and what of it is not there any more. */
import type { Queryable, Tx } from "#platform/database/database";
import type { BookedDeposit, Gone } from "./domain/payment.ts";
import type { OperationRow, WriteRow } from "./schema.ts";

/** By escrow, then by deposit. */
export async function loadBooked(
  tx: Queryable,
  escrowNos: readonly bigint[],
): Promise<Map<bigint, Map<string, BookedDeposit>>> {
  const found = new Map<bigint, Map<string, BookedDeposit>>(escrowNos.map((no) => [no, new Map()]));
  if (escrowNos.length === 0) return found;
  const rows = await tx.sql<BookedDeposit & { escrow_no: bigint }>`
    SELECT escrow_no, deposit_id AS "depositId", amount, currency, disposition
    FROM payments.deposit WHERE escrow_no = ANY(${escrowNos}::bigint[])`;
  for (const { escrow_no, ...deposit } of rows) {
    found.get(escrow_no)?.set(deposit.depositId, deposit);
  }
  return found;
}

export async function undoDeposits(tx: Tx, rows: readonly WriteRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.sql`
    UPDATE payments.deposit d SET disposition = n.disposition
    FROM jsonb_populate_recordset(NULL::payments.deposit, ${JSON.stringify(rows)}::jsonb) n
    WHERE d.escrow_no = n.escrow_no AND d.deposit_id = n.deposit_id`;
}

/**
 * By operation: what it is to give back is not there any more. Their roots are locked. What is of the
 * payment's own asset is withdrawn or lost with the dispute that takes it.
 */
export async function loadGone(
  tx: Tx,
  operations: Iterable<OperationRow>,
): Promise<ReadonlyMap<string, Gone>> {
  return loadAllGone(
    tx,
    [...operations].filter(({ asset }) => asset !== ""),
  );
}

/** The same of any asset: what is not there any more is not sent once more. */
export async function loadAllGone(
  tx: Tx,
  operations: Iterable<OperationRow>,
): Promise<ReadonlyMap<string, Gone>> {
  const back = [...operations].filter(({ deposit_id }) => deposit_id !== "");
  if (back.length === 0) return new Map();
  const rows = await tx.sql<{ operation_id: string; gone: Gone }>`
    SELECT o.operation_id, d.disposition AS gone
    FROM payments.operation o JOIN payments.deposit d USING (escrow_no, deposit_id)
    WHERE o.operation_id = ANY(${back.map(({ operation_id }) => operation_id)}::text[])
      AND d.disposition IN ('REVERTED', 'UNDONE')`;
  return new Map(rows.map(({ operation_id, gone }) => [operation_id, gone]));
}
