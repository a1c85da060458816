/** Booked deposits: what came, and what of it is not there any more. */
import type { Queryable, Tx } from "#platform/database/database";
import type { BookedDeposit } from "./domain/payment.ts";
import type { WriteRow } from "./schema.ts";

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
    UPDATE payments.deposit d SET disposition = 'UNDONE'
    FROM jsonb_populate_recordset(NULL::payments.deposit, ${JSON.stringify(rows)}::jsonb) n
    WHERE d.escrow_no = n.escrow_no AND d.deposit_id = n.deposit_id`;
}
