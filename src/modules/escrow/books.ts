/** The escrow module's own count of each escrow's funds, in slices by id. */
import { type Book, type BookRow, bookOf } from "#platform/books";
import type { Database } from "#platform/database/database";
import { sliceSize } from "#platform/verify/checks";

export async function escrowBooks(db: Database, afterId: string): Promise<Book[]> {
  const rows = await db.sql<BookRow>`
    SELECT id, seen_payments AS seen, funded, pending, held, reserved, released, refunded, fees,
      charged_back, blocked, updated_at
    FROM escrow.escrow WHERE id > ${afterId} ORDER BY id LIMIT ${sliceSize}`;
  return rows.map(bookOf);
}
