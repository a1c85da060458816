/**
 * The posting table: for each fact, the ledger transaction that explains it and what it changes in
 * the escrow's own balances. Pure. Invariant: every posting is balanced by its form (debit and
 * credit of one amount), and the change agrees with the entries on the escrow's accounts.
 */
import type { Change } from "../domain/funds.ts";
import {
  type Account,
  blocked,
  clearing,
  held,
  pending,
  platformFees,
  providerFees,
  reserved,
  sellerDebt,
  sellerPayable,
  suspense,
} from "./accounts.ts";

export interface Posting {
  readonly debit: Account;
  readonly credit: Account;
  readonly amount: bigint;
}

export interface LedgerTransaction {
  readonly reason: string;
  /** Without postings of nothing. */
  readonly postings: readonly Posting[];
  readonly change: Change;
  /** Of another asset than the book's; absent: the escrow's currency. */
  readonly currency?: string;
}

/** A release as fixed at its acceptance, minor units: gross = fee + netted + net. */
export interface TransferAmounts {
  readonly fee: bigint;
  readonly netted: bigint;
  readonly net: bigint;
}

export interface RefundAmounts {
  /** Out of held. */
  readonly amount: bigint;
  /** The buyer's fee given back on top. */
  readonly feeReturned: bigint;
}

export function depositConfirmed(provider: string, amount: bigint): LedgerTransaction {
  return transaction(
    "deposit_confirmed",
    { funded: amount, pending: amount },
    move(clearing(provider), pending, amount),
  );
}

/** Money that belongs to no escrow, or of another asset than the escrow's. */
export function depositUnattributed(
  provider: string,
  amount: bigint,
  currency: string,
): LedgerTransaction {
  const arrived = move(clearing(provider), suspense(provider), amount);
  return { ...transaction("deposit_unattributed", {}, arrived), currency };
}

export function fundingComplete(amount: bigint, buyerFee: bigint): LedgerTransaction {
  return transaction(
    "funding_complete",
    { pending: -(amount + buyerFee), held: amount, fees: buyerFee },
    move(pending, held, amount),
    move(pending, platformFees, buyerFee),
  );
}

/** A negative one was given back. */
export function providerFeeKnown(provider: string, fee: bigint): LedgerTransaction {
  const [debit, credit] = [providerFees, clearing(provider)];
  if (fee < 0n) return transaction("provider_fee_returned", {}, move(credit, debit, -fee));
  return transaction("provider_fee", {}, move(debit, credit, fee));
}

export function releaseAccepted(
  sellerId: string,
  { fee, netted, net }: TransferAmounts,
): LedgerTransaction {
  const gross = fee + netted + net;
  return transaction(
    "release_accepted",
    { held: -gross, reserved: gross - netted, released: netted },
    move(held, reserved, gross),
    move(reserved, sellerDebt(sellerId), netted),
  );
}

/** The transfer was refused or withdrawn: the exact mirror, the netted debt included. */
export function releaseUndone(sellerId: string, amounts: TransferAmounts): LedgerTransaction {
  return mirror("release_undone", releaseAccepted(sellerId, amounts));
}

export function transferConfirmed(
  provider: string,
  { fee, net }: TransferAmounts,
): LedgerTransaction {
  return transaction(
    "transfer_confirmed",
    { reserved: -(net + fee), released: net, fees: fee },
    move(reserved, clearing(provider), net),
    move(reserved, platformFees, fee),
  );
}

export function refundAccepted({ amount, feeReturned }: RefundAmounts): LedgerTransaction {
  return transaction(
    "refund_accepted",
    { held: -amount, fees: -feeReturned, reserved: amount + feeReturned },
    move(held, reserved, amount),
    move(platformFees, reserved, feeReturned),
  );
}

export function refundUndone(amounts: RefundAmounts): LedgerTransaction {
  return mirror("refund_undone", refundAccepted(amounts));
}

/** Short, late or excess money on its way back: payments' own decision. */
export function pendingRefundAccepted(amount: bigint): LedgerTransaction {
  return transaction(
    "pending_refund_accepted",
    { pending: -amount, reserved: amount },
    move(pending, reserved, amount),
  );
}

export function pendingRefundUndone(amount: bigint): LedgerTransaction {
  return mirror("pending_refund_undone", pendingRefundAccepted(amount));
}

export function refundConfirmed(provider: string, amount: bigint): LedgerTransaction {
  return transaction(
    "refund_confirmed",
    { reserved: -amount, refunded: amount },
    move(reserved, clearing(provider), amount),
  );
}

/** A confirmed refund came back: owed to the buyer again. */
export function refundReturned(provider: string, amount: bigint): LedgerTransaction {
  return mirror("refund_returned", refundConfirmed(provider, amount));
}

/** What he got too little of is on its way to him. */
export function payablePaid(provider: string, sellerId: string, amount: bigint): LedgerTransaction {
  return transaction("payable_paid", {}, move(sellerPayable(sellerId), clearing(provider), amount));
}

/** A sanctions hit: what is pending or held goes where nobody can release or refund it. */
export function fundsBlocked(shares: {
  readonly pending: bigint;
  readonly held: bigint;
  readonly fees: bigint;
}): LedgerTransaction {
  return transaction(
    "funds_blocked",
    {
      pending: -shares.pending,
      held: -shares.held,
      fees: -shares.fees,
      blocked: shares.pending + shares.held + shares.fees,
    },
    move(pending, blocked, shares.pending),
    move(held, blocked, shares.held),
    move(platformFees, blocked, shares.fees),
  );
}

export function fundsUnblocked(shares: Parameters<typeof fundsBlocked>[0]): LedgerTransaction {
  return mirror("funds_unblocked", fundsBlocked(shares));
}

export function move(debit: Account, credit: Account, amount: bigint): Posting {
  return { debit, credit, amount };
}

export function swap({ debit, credit, amount }: Posting): Posting {
  return { debit: credit, credit: debit, amount };
}

export function transaction(
  reason: string,
  change: Change,
  ...moves: Posting[]
): LedgerTransaction {
  const postings = moves.filter(({ amount }) => amount !== 0n);
  if (postings.some(({ amount }) => amount < 0n)) throw new Error(`${reason}: negative posting`);
  return { reason, postings, change };
}

export function mirror(reason: string, { postings, change }: LedgerTransaction): LedgerTransaction {
  return {
    reason,
    postings: postings.map(swap),
    change: Object.fromEntries(
      Object.entries(change).map(([part, amount]) => [part, -amount]),
    ) as Change,
  };
}
