/**
 * The platform's own book: what explains no escrow's money. Its transactions are numbered like an
 * escrow's, under a lock that is taken after all others, and no event says them.
 */
import type { Tx } from "#platform/database/database";
import { insertRows } from "../insert-rows.ts";
import type { LedgerTransaction } from "./post.ts";

export interface PlatformTransaction {
  /** What it explains: a provider's movement, an operator's command. */
  readonly reference: string;
  readonly currency: string;
  readonly transaction: LedgerTransaction;
}

const bookNo = "0";

export async function bookForPlatform(
  tx: Tx,
  transactions: readonly PlatformTransaction[],
  now: Date,
): Promise<void> {
  const whole = transactions.filter(({ transaction }) => transaction.postings.length > 0);
  if (whole.length === 0) return;
  const [book] = await tx.sql<{ last: bigint }>`
    UPDATE payments.platform_book SET last = last + ${BigInt(whole.length)} RETURNING last`;
  const first = (book?.last ?? 0n) - BigInt(whole.length) + 1n;
  const heads = whole.map(({ reference, transaction }, index) => ({
    escrow_no: bookNo,
    number: String(first + BigInt(index)),
    escrow_id: "platform",
    reason: transaction.reason,
    reference,
    at: now,
  }));
  const entries = whole.flatMap(({ currency, transaction }, index) =>
    transaction.postings.flatMap(({ debit, credit, amount }, posting) =>
      [
        { account: debit, signed: amount, line: 2 * posting + 1 },
        { account: credit, signed: -amount, line: 2 * posting + 2 },
      ].map(({ account, signed, line }) => ({
        escrow_no: bookNo,
        number: String(first + BigInt(index)),
        line,
        account: account.kind,
        owner: account.owner,
        currency,
        amount: String(signed),
      })),
    ),
  );
  await insertRows(tx, "ledger_transaction", heads);
  await insertRows(tx, "entry", entries);
}
