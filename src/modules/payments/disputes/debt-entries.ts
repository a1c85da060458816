/** The entries of a seller's debt, over all his sales: what of it is whose is read off all of them. */
import type { Queryable } from "#platform/database/database";
import type { DebtEntry } from "../domain/debt-book.ts";

export interface SaleDebtEntry extends DebtEntry {
  readonly escrow_id: string;
}

export async function debtEntriesOf(db: Queryable, partyId: string): Promise<SaleDebtEntry[]> {
  // A posting is two entries; both are placed by its odd (debit) line.
  return db.sql<SaleDebtEntry>`
    SELECT t.at, e.escrow_no, e.number, e.line - (e.line + 1) % 2 AS line, t.escrow_id, t.reason, t.reference,
      e.currency, e.amount
    FROM payments.entry e JOIN payments.ledger_transaction t USING (escrow_no, number)
    WHERE e.account = 'seller_debt' AND e.owner = ${partyId}
    ORDER BY t.at, e.escrow_no, e.number, e.line`;
}
