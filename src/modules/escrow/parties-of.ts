/** Who is a party of an escrow, for those who must know that somebody is none. */
import type { Queryable } from "#platform/database/database";

export async function partiesOf(
  db: Queryable,
  escrowIds: readonly string[],
): Promise<readonly string[]> {
  const rows = await db.sql<{ id: string }>`
    SELECT buyer_id AS id FROM escrow.escrow WHERE id = ANY(${escrowIds}::text[])
    UNION SELECT seller_id FROM escrow.escrow WHERE id = ANY(${escrowIds}::text[])`;
  return rows.map(({ id }) => id);
}
