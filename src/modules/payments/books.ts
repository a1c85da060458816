/** The ledger's count of the named escrows' funds. */
import { type Book, type BookRow, bookOf } from "#platform/books";
import type { Database } from "#platform/database";

export async function paymentBooks(db: Database, escrowIds: readonly string[]): Promise<Book[]> {
  const rows = await db.sql<BookRow>`
    SELECT escrow_id AS id, version AS seen, funded, pending, held, reserved, released, refunded,
      fees, charged_back, blocked, updated_at
    FROM payments.payment WHERE escrow_id = ANY(${escrowIds}::text[])`;
  return rows.map(bookOf);
}
