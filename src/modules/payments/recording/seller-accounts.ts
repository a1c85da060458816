/**
 * What providers say of sellers' accounts. A refused transfer outweighs what an account said before:
 * the account it went to counts as not ready until it is read again, so that a release is not resumed
 * by the same news that let it be refused. The caller has locked the accounts' object rows.
 */
import type { Tx } from "#platform/database/database";
import type { ProviderAccount } from "../provider.ts";
import type { ObjectKey } from "./objects.ts";

/** Not ready from now on; asked again after 1 s, 2 s, 4 s … an hour, and when the provider calls. */
export async function distrust(tx: Tx, accounts: readonly ObjectKey[], now: Date): Promise<void> {
  if (accounts.length === 0) return;
  // Counted as a signal: a read that is under way is older than the refusal.
  await tx.sql`
    WITH refused AS (
      UPDATE payments.payout_method
      SET status = 'RESTRICTED', refusals = refusals + 1, updated_at = ${now}
      WHERE status = 'READY' AND (provider, account_id) IN (SELECT * FROM unnest(
        ${accounts.map(({ provider }) => provider)}::text[],
        ${accounts.map(({ objectId }) => objectId)}::text[]))
      RETURNING provider, account_id, refusals
    )
    UPDATE payments.provider_object o SET signals = o.signals + 1, sync_tries = 0,
      sync_due_at = least(o.sync_due_at, ${now}::timestamptz
        + least(2 ^ least(r.refusals - 1, 12), 3600) * interval '1 second')
    FROM (SELECT provider, account_id, max(refusals) AS refusals FROM refused GROUP BY 1, 2) r
    WHERE o.provider = r.provider AND o.object_id = r.account_id`;
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
