/** Whose an escrow's payment or a thing at a provider is, for those who must know that somebody is none of them. */
import type { Queryable } from "#platform/database/database";

/** Buyers and sellers of payments, owners of accounts; nobody's for what is known to nobody. */
export async function partiesOf(db: Queryable, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await db.sql<{ id: string }>`
    WITH named AS (
      SELECT provider, object_id, escrow_id, party_id, waits_for FROM payments.provider_object
      WHERE object_id = ANY(${ids}::text[])
    ), object AS (
      SELECT escrow_id, party_id FROM named
      UNION SELECT o.escrow_id, o.party_id FROM named n JOIN payments.provider_object o
        ON o.provider = n.provider AND o.object_id = n.waits_for
    )
    SELECT p.buyer_id AS id FROM payments.payment p
      WHERE p.escrow_id = ANY(${ids}::text[]) OR p.escrow_id IN (SELECT escrow_id FROM object)
    UNION SELECT p.seller_id FROM payments.payment p
      WHERE p.escrow_id = ANY(${ids}::text[]) OR p.escrow_id IN (SELECT escrow_id FROM object)
    UNION SELECT party_id FROM object WHERE party_id IS NOT NULL`;
  return rows.map(({ id }) => id);
}
