/**
 * What providers say of sellers' accounts. A refused transfer outweighs what an account said before:
 * the seller counts as not ready until his account is read again, so that a release is not resumed
 * by the same news that let it be refused. The caller has locked the accounts' object rows.
 */
import type { Tx } from "#platform/database";
import type { ProviderAccount } from "../provider.ts";
import type { ObjectKey } from "./objects.ts";

/** A seller who was not ready, at a provider. */
export interface RefusedSeller {
  readonly provider: string;
  readonly sellerId: string;
}

export async function accountsOf(tx: Tx, sellers: readonly RefusedSeller[]): Promise<ObjectKey[]> {
  if (sellers.length === 0) return [];
  return tx.sql<{ provider: string; objectId: string }>`
    SELECT provider, account_id AS "objectId" FROM payments.payout_method
    WHERE (provider, party_id) IN (SELECT * FROM unnest(
      ${sellers.map(({ provider }) => provider)}::text[],
      ${sellers.map(({ sellerId }) => sellerId)}::text[]))`;
}

/** Not ready from now on; asked again after 1 s, 2 s, 4 s … an hour, and when the provider calls. */
export async function distrust(
  tx: Tx,
  sellers: readonly RefusedSeller[],
  now: Date,
): Promise<void> {
  if (sellers.length === 0) return;
  // Counted as a signal: a read that is under way is older than the refusal.
  await tx.sql`
    WITH refused AS (
      UPDATE payments.payout_method
      SET status = 'RESTRICTED', refusals = refusals + 1, updated_at = ${now}
      WHERE status = 'READY' AND (provider, party_id) IN (SELECT * FROM unnest(
        ${sellers.map(({ provider }) => provider)}::text[],
        ${sellers.map(({ sellerId }) => sellerId)}::text[]))
      RETURNING provider, account_id, refusals
    )
    UPDATE payments.provider_object o SET signals = o.signals + 1, sync_tries = 0,
      sync_due_at = least(o.sync_due_at, ${now}::timestamptz
        + least(2 ^ least(r.refusals - 1, 12), 3600) * interval '1 second')
    FROM refused r WHERE o.provider = r.provider AND o.object_id = r.account_id`;
}

export async function updateAccount(
  tx: Tx,
  provider: string,
  { objectId, status, requirementsDue }: ProviderAccount,
  now: Date,
): Promise<void> {
  await tx.sql`
    UPDATE payments.payout_method
    SET status = ${status}, requirements_due = ${requirementsDue}::text[], updated_at = ${now},
      refusals = CASE WHEN ${status}::text = 'READY' THEN refusals ELSE 0 END
    WHERE provider = ${provider} AND account_id = ${objectId}`;
}
