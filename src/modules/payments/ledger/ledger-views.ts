/** What the routes show of the ledger: postings as pairs, balances by account name. */
import type { JsonValue } from "@bufbuild/protobuf";
import type { Database } from "#platform/database/database";
import type { PaymentRow } from "../schema.ts";
import { type AccountKind, accountName, isEscrowAccount, owedKinds } from "./accounts.ts";
import { sumAccounts, verifyLedger } from "./verify.ts";

interface EntryRow {
  readonly number: bigint;
  readonly line: number;
  readonly account: AccountKind;
  readonly owner: string;
  readonly currency: string;
  readonly amount: bigint;
  readonly reason: string;
  readonly at: Date;
}

export interface LedgerReader {
  /** Also what touches none of the escrow's own accounts. */
  readonly whole: boolean;
  /** What the seller owes is one debt over all his escrows: his own matter, and the operators'. */
  readonly debts: boolean;
}

/** In the order they were booked. */
export async function escrowPostings(
  db: Database,
  { escrow_no, escrow_id }: PaymentRow,
  { whole, debts }: LedgerReader,
  asOf?: Date,
): Promise<JsonValue[]> {
  const entries = await db.sql<EntryRow>`
    SELECT e.number, e.line, e.account, e.owner, e.currency, e.amount, t.reason, t.at
    FROM payments.entry e
    JOIN payments.ledger_transaction t ON t.escrow_no = e.escrow_no AND t.number = e.number
    WHERE e.escrow_no = ${escrow_no} AND t.at <= coalesce(${asOf ?? null}::timestamptz, t.at)
    ORDER BY e.number, e.line`;
  const postings: JsonValue[] = [];
  // Lines come in pairs: the debit, then its credit.
  for (let index = 0; index + 1 < entries.length; index += 2) {
    const [debit, credit] = [entries[index], entries[index + 1]];
    if (debit === undefined || credit === undefined) continue;
    if (!whole && !touchesEscrow(debit, credit)) continue;
    postings.push({
      transactionId: `${escrow_id}.${debit.number}`,
      debit: nameFor(debit, escrow_id, debts),
      credit: nameFor(credit, escrow_id, debts),
      amount: debit.amount.toString(),
      currency: debit.currency,
      at: debit.at.toISOString(),
      reason: debit.reason,
    });
  }
  return postings;
}

/** Of a debt, this escrow's own part. */
const ownDebt = /^(chargeback_|transfer_reversed$)/;

/** Others learn how much of the release did not go out, not for what it was kept. */
function nameFor(entry: EntryRow, escrowId: string, debts: boolean): string {
  const others = entry.account === "seller_debt" && !ownDebt.test(entry.reason);
  return others && !debts ? `escrow:${escrowId}:netted` : nameOf(entry, escrowId);
}

function touchesEscrow(debit: EntryRow, credit: EntryRow): boolean {
  return [debit, credit].some(({ account }) => isEscrowAccount({ kind: account }));
}

function nameOf({ account, owner }: Pick<EntryRow, "account" | "owner">, escrowId: string): string {
  return accountName({ kind: account, owner }, escrowId);
}

/** What is owed is shown as a positive amount, assets and costs by their debit. */
export async function accountBalances(
  db: Database,
  { escrow_no, escrow_id }: PaymentRow,
  whole: boolean,
  asOf?: Date,
): Promise<JsonValue> {
  const rows = await db.sql<{ account: AccountKind; owner: string; balance: string }>`
    SELECT account, owner, sum(amount)::text AS balance FROM payments.entry e
    WHERE escrow_no = ${escrow_no} AND (${asOf ?? null}::timestamptz IS NULL OR EXISTS (
      SELECT FROM payments.ledger_transaction t WHERE t.escrow_no = e.escrow_no
        AND t.number = e.number AND t.at <= ${asOf ?? null}::timestamptz))
    GROUP BY account, owner ORDER BY account, owner`;
  const shown = rows.filter(({ account }) => whole || isEscrowAccount({ kind: account }));
  return Object.fromEntries(
    shown.map((row) => [nameOf(row, escrow_id), shownBalance(row.account, BigInt(row.balance))]),
  );
}

function shownBalance(kind: AccountKind, debit: bigint): string {
  const credit = owedKinds.includes(kind) || kind === "platform_fees";
  return (credit ? -debit : debit).toString();
}

/** Debits positive; escrows' accounts summed by kind. Every currency's sum is 0. */
export async function trialBalance(db: Database, asOf?: Date): Promise<JsonValue> {
  const currencies = new Map<string, { accounts: Record<string, string>; sum: bigint }>();
  for (const { currency, account, owner, balance } of await sumAccounts(db, asOf)) {
    const book = currencies.get(currency) ?? { accounts: {}, sum: 0n };
    const kind = { kind: account, owner };
    const name = isEscrowAccount(kind) ? `escrow:${account}` : accountName(kind, "");
    book.accounts[name] = balance.toString();
    book.sum += balance;
    currencies.set(currency, book);
  }
  const { violations } = await verifyLedger(db);
  return {
    currencies: Object.fromEntries(
      [...currencies].map(([currency, { accounts, sum }]) => [
        currency,
        { accounts, sum: sum.toString() },
      ]),
    ),
    violations: violations.length,
  };
}
