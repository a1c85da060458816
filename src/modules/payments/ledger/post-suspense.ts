/** The posting table's rows for money that is no escrow's: of another asset than the payment's. */
import { clearing, platformLosses, suspense, suspenseBlockedOf } from "./accounts.ts";
import type { LedgerTransaction } from "./post.ts";

/** Given back to whoever sent it. */
export function suspenseReturned(
  provider: string,
  amount: bigint,
  currency: string,
): LedgerTransaction {
  const posting = { debit: suspense(provider), credit: clearing(provider), amount };
  return { reason: "suspense_returned", postings: [posting], change: {}, currency };
}

/** It came back after all. */
export function suspenseReturnFailed(
  provider: string,
  amount: bigint,
  currency: string,
): LedgerTransaction {
  const posting = { debit: clearing(provider), credit: suspense(provider), amount };
  return { reason: "suspense_return_failed", postings: [posting], change: {}, currency };
}

export function suspenseBlocked(
  provider: string,
  amount: bigint,
  currency: string,
): LedgerTransaction {
  const posting = { debit: suspense(provider), credit: suspenseBlockedOf(provider), amount };
  return { reason: "suspense_blocked", postings: [posting], change: {}, currency };
}

export function suspenseUnblocked(
  provider: string,
  amount: bigint,
  currency: string,
): LedgerTransaction {
  const posting = { debit: suspenseBlockedOf(provider), credit: suspense(provider), amount };
  return { reason: "suspense_unblocked", postings: [posting], change: {}, currency };
}

/** The chain took it away again before anybody gave it back. */
export function depositUndone(
  provider: string,
  amount: bigint,
  currency: string,
): LedgerTransaction {
  const posting = { debit: suspense(provider), credit: clearing(provider), amount };
  return { reason: "deposit_undone", postings: [posting], change: {}, currency };
}

/** It had been given back already: out of the platform's own. */
export function depositLost(provider: string, amount: bigint, currency: string): LedgerTransaction {
  const posting = { debit: platformLosses, credit: clearing(provider), amount };
  return { reason: "deposit_lost", postings: [posting], change: {}, currency };
}

/** What had been given back came back after all, and stands for nothing any more. */
export function depositLossReturned(
  provider: string,
  amount: bigint,
  currency: string,
): LedgerTransaction {
  const posting = { debit: clearing(provider), credit: platformLosses, amount };
  return { reason: "deposit_loss_returned", postings: [posting], change: {}, currency };
}
