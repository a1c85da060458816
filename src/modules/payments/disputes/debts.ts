/**
 * What sellers owe, as decisions change it: one row a party and currency, and a notice to the
 * treasury of what is owed from then on.
 */
import { create } from "@bufbuild/protobuf";
import { MoneySchema } from "#gen/escrow/v1/types_pb";
import { DebtChangedSchema } from "#gen/payments/v1/events_pb";
import type { Tx } from "#platform/database/database";
import type { Cause } from "../cause.ts";
import type { TreasuryNotice } from "../treasury.ts";

/** Repaid when positive, owed more when negative; minor units. */
export interface DebtMove {
  readonly partyId: string;
  readonly currency: string;
  readonly amount: bigint;
  readonly cause: Cause;
}

interface DebtRow {
  readonly party_id: string;
  readonly currency: string;
  readonly owed: bigint;
}

/** A notice for each party and currency; the caller says them once all its locks are taken. */
export async function moveDebts(tx: Tx, moves: readonly DebtMove[]): Promise<TreasuryNotice[]> {
  if (moves.length === 0) return [];
  const json = JSON.stringify(
    moves.map(({ partyId, currency, amount }) => ({
      party_id: partyId,
      currency,
      owed: amount.toString(),
    })),
  );
  await tx.sql`
    INSERT INTO payments.seller_debt (party_id, currency, owed)
    SELECT DISTINCT party_id, currency, 0
    FROM jsonb_populate_recordset(NULL::payments.seller_debt, ${json}::jsonb)
    WHERE owed < 0 ORDER BY party_id, currency
    ON CONFLICT (party_id, currency) DO NOTHING`;
  const rows = await tx.sql<DebtRow>`
    UPDATE payments.seller_debt d SET owed = d.owed - n.owed
    FROM (
      SELECT party_id, currency, sum(owed) AS owed
      FROM jsonb_populate_recordset(NULL::payments.seller_debt, ${json}::jsonb)
      GROUP BY party_id, currency
    ) n WHERE d.party_id = n.party_id AND d.currency = n.currency
    RETURNING d.party_id, d.currency, d.owed`;
  return rows.flatMap((row) => noticeOf(row, moves));
}

function noticeOf({ party_id, currency, owed }: DebtRow, moves: readonly DebtMove[]) {
  const last = moves.findLast((move) => move.partyId === party_id && move.currency === currency);
  if (last === undefined) return [];
  const debt = create(MoneySchema, { amount: owed, currency });
  const reason = last.amount > 0n ? "REPAID" : "OWED";
  const value = create(DebtChangedSchema, { debt, reason });
  const body = { case: "debtChanged", value } as const;
  return [{ subject: party_id, body, cause: last.cause }];
}
