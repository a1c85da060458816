/**
 * The rows of what differs: opened when it is found, changed while it stays, closed when the books
 * agree again. One open row a thing; the age counts from the day it was found.
 */
import { create } from "@bufbuild/protobuf";
import { MoneySchema } from "#gen/escrow/v1/types_pb";
import { ReconciliationBreakFoundSchema } from "#gen/payments/v1/events_pb";
import { hashFields } from "#kernel/ids";
import { type Queryable, SqlColumns, type Tx } from "#platform/database/database";
import type { TreasuryNotice } from "../treasury.ts";
import { type BreakKind, classify, magnitude, type Pair, type Side } from "./classify.ts";

export interface BreakRow {
  readonly break_id: string;
  readonly provider: string;
  readonly escrow_no: bigint;
  readonly escrow_id: string | null;
  readonly key: string;
  readonly currency: string;
  readonly kind: BreakKind;
  readonly category: string;
  readonly ours: bigint;
  readonly theirs: bigint;
  readonly ours_fee: bigint;
  readonly theirs_fee: bigint;
  readonly exchanged: boolean;
  readonly found_at: Date;
  readonly accepted_at: Date | null;
}

/** Of one provider, or of all; oldest first. */
export async function openBreaks(db: Queryable, provider?: string): Promise<BreakRow[]> {
  return db.sql<BreakRow>`
    SELECT b.*, p.escrow_id FROM payments.reconciliation_break b
    LEFT JOIN payments.payment p ON p.escrow_no = b.escrow_no
    WHERE b.closed_at IS NULL AND b.provider = coalesce(${provider ?? null}, b.provider)
    ORDER BY b.found_at, b.break_id`;
}

/** Opens, changes and closes; returns what is to be said of breaks that are new. */
export async function keepBreaks(
  tx: Tx,
  provider: string,
  pairs: readonly Pair[],
  now: Date,
): Promise<TreasuryNotice[]> {
  const judged = pairs.map((pair) => ({ pair, verdict: classify(pair, now) }));
  const agreed = judged.filter(({ verdict }) => verdict === undefined).map(({ pair }) => pair);
  const rows = judged.flatMap(({ pair, verdict }) =>
    verdict === undefined || verdict === "fresh" ? [] : [rowOf(pair, verdict, now)],
  );
  await close(tx, provider, agreed, now);
  if (rows.length === 0) return [];
  const columns = new SqlColumns(rows);
  const said = await tx.sql<BreakRow>`
    WITH known AS (
      SELECT b.break_id, b.kind FROM payments.reconciliation_break b
      WHERE b.closed_at IS NULL AND b.provider = ${provider}
    ), kept AS (
      INSERT INTO payments.reconciliation_break AS b (${columns})
      SELECT ${columns} FROM jsonb_populate_recordset(NULL::payments.reconciliation_break,
        ${JSON.stringify(rows)}::jsonb) ORDER BY escrow_no, key, currency
      ON CONFLICT (provider, escrow_no, key, currency) WHERE closed_at IS NULL
      DO UPDATE SET kind = excluded.kind, category = excluded.category, ours = excluded.ours,
        theirs = excluded.theirs, ours_fee = excluded.ours_fee, theirs_fee = excluded.theirs_fee,
        exchanged = excluded.exchanged, seen_at = excluded.seen_at,
        accepted_at = CASE WHEN (b.kind, b.ours, b.theirs, b.ours_fee, b.theirs_fee)
          = (excluded.kind, excluded.ours, excluded.theirs, excluded.ours_fee, excluded.theirs_fee)
          THEN b.accepted_at END
      RETURNING b.*
    )
    SELECT kept.*, p.escrow_id FROM kept
    LEFT JOIN known USING (break_id) LEFT JOIN payments.payment p ON p.escrow_no = kept.escrow_no
    WHERE kept.kind <> 'timing' AND known.kind IS DISTINCT FROM kept.kind
    ORDER BY kept.escrow_no, kept.key, kept.currency`;
  return said.map(noticeOf);
}

async function close(tx: Tx, provider: string, pairs: readonly Pair[], now: Date): Promise<void> {
  if (pairs.length === 0) return;
  await tx.sql`
    UPDATE payments.reconciliation_break b SET closed_at = ${now}
    FROM unnest(${pairs.map(({ escrowNo }) => escrowNo)}::bigint[],
      ${pairs.map(({ key }) => key)}::text[], ${pairs.map(({ currency }) => currency)}::text[])
      AS n(escrow_no, key, currency)
    WHERE b.closed_at IS NULL AND b.provider = ${provider}
      AND b.escrow_no = n.escrow_no AND b.key = n.key AND b.currency = n.currency`;
}

/** What was nobody's and has an owner now is compared with him: the old row says nothing more. */
export async function closeOrphans(tx: Tx, provider: string, now: Date): Promise<void> {
  await tx.sql`
    UPDATE payments.reconciliation_break b SET closed_at = ${now}
    WHERE b.closed_at IS NULL AND b.provider = ${provider} AND b.escrow_no = 0
      AND NOT EXISTS (SELECT FROM payments.provider_movement m
        WHERE m.provider = b.provider AND m.escrow_no = 0 AND m.key = b.key)
      AND NOT EXISTS (SELECT FROM payments.ledger_transaction t
        WHERE t.escrow_no = 0 AND t.reference = b.key)`;
}

function rowOf(pair: Pair, kind: BreakKind, now: Date) {
  const { provider, escrowNo, key, currency, category, ours, theirs } = pair;
  const seed = hashFields(provider, escrowNo.toString(), key, currency, now.toISOString());
  return {
    break_id: `brk_${seed.slice(0, 32)}`,
    provider,
    escrow_no: escrowNo.toString(),
    key,
    currency,
    kind,
    category,
    ours: gross(ours),
    theirs: gross(theirs),
    ours_fee: (ours?.fee ?? 0n).toString(),
    theirs_fee: (theirs?.fee ?? 0n).toString(),
    exchanged: theirs?.exchanged ?? false,
    found_at: now,
    seen_at: now,
    accepted_at: null,
    closed_at: null,
  };
}

function gross(side: Side | undefined): string {
  return (side?.gross ?? 0n).toString();
}

function noticeOf(row: BreakRow): TreasuryNotice {
  const { break_id: breakId, provider, currency, kind, key: reference } = row;
  const money = (amount: bigint) => create(MoneySchema, { amount: magnitude(amount), currency });
  const value = create(ReconciliationBreakFoundSchema, {
    breakId,
    kind,
    provider,
    reference,
    escrowId: row.escrow_id ?? "",
    ours: money(row.ours),
    theirs: money(row.theirs),
    difference: row.theirs - row.ours,
    feeDifference: row.theirs_fee - row.ours_fee,
  });
  const cause = { correlationId: `reconcile:${provider}`, causationId: breakId };
  return { subject: provider, body: { case: "reconciliationBreakFound", value }, cause };
}
