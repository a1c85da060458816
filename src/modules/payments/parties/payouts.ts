/**
 * Payouts from sellers' accounts to their banks: kept as they stand, shown to the seller, said once
 * when one fails. They never touch an escrow: what was released stays released.
 */
import { create } from "@bufbuild/protobuf";
import { MoneySchema } from "#gen/escrow/v1/types_pb";
import { PayoutFailedSchema } from "#gen/payments/v1/events_pb";
import type { Database, Tx } from "#platform/database/database";
import type { ProviderPayout } from "../provider.ts";
import type { TreasuryNotice } from "../treasury.ts";

export interface PayoutSeen {
  readonly provider: string;
  readonly partyId: string;
  readonly payout: ProviderPayout;
}

/** A notice when it has failed and had not before. */
export async function recordPayout(
  tx: Tx,
  { provider, partyId, payout }: PayoutSeen,
  now: Date,
): Promise<TreasuryNotice[]> {
  const { objectId, account, status, amount, currency, code } = payout;
  const [before] = await tx.sql<{ status: string }>`
    SELECT status FROM payments.payout WHERE provider = ${provider} AND payout_id = ${objectId}`;
  await tx.sql`
    INSERT INTO payments.payout (provider, payout_id, account_id, party_id, status, amount,
      currency, code, created_at, updated_at)
    VALUES (${provider}, ${objectId}, ${account}, ${partyId}, ${status}, ${amount}, ${currency},
      ${code}, ${now}, ${now})
    ON CONFLICT (provider, payout_id) DO UPDATE SET
      status = excluded.status, code = excluded.code, updated_at = excluded.updated_at`;
  if (status !== "failed" || before?.status === "failed") return [];
  const money = create(MoneySchema, { amount, currency });
  const value = create(PayoutFailedSchema, { payoutId: objectId, amount: money, code });
  const causationId = `${provider}:${objectId}`;
  const cause = { correlationId: causationId, causationId };
  return [{ subject: partyId, body: { case: "payoutFailed", value }, cause }];
}

/** The party an account belongs to. */
export async function partyOf(
  tx: Tx,
  provider: string,
  account: string,
): Promise<string | undefined> {
  const [row] = await tx.sql<{ party_id: string }>`
    SELECT party_id FROM payments.payout_account
    WHERE provider = ${provider} AND account_id = ${account}`;
  return row?.party_id;
}

interface PayoutRow {
  readonly provider: string;
  readonly payout_id: string;
  readonly status: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly code: string;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const mostShown = 200;

/** Newest first. For a service: from accounts that it alone brought. */
export async function payoutsOf(db: Database, partyId: string, serviceId: string) {
  const rows = await db.sql<PayoutRow>`
    SELECT * FROM payments.payout p WHERE party_id = ${partyId}
      AND (${serviceId === ""}::boolean OR coalesce((
        SELECT bool_and(m.service_id = ${serviceId}) FROM payments.payout_method m
        WHERE m.provider = p.provider AND m.account_id = p.account_id), false))
    ORDER BY created_at DESC, payout_id LIMIT ${mostShown}`;
  return rows.map((row) => ({
    payoutId: row.payout_id,
    provider: row.provider,
    status: row.status.toUpperCase(),
    amount: { amount: row.amount.toString(), currency: row.currency },
    ...(row.code !== "" && { code: row.code }),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }));
}
