/**
 * The postings of money that is taken back from outside: by the buyer's bank, by the provider, from
 * a seller. Pure. It leaves through the dispute's own account, which keeps what waits for an outcome;
 * what the escrow still had moves its balances, what was paid out before does not.
 */
import {
  clearing,
  dispute,
  held,
  pending,
  platformFees,
  platformLosses,
  sellerDebt,
  sellerPayable,
  suspense,
} from "./accounts.ts";
import { type LedgerTransaction, mirror, move, type Posting, swap, transaction } from "./post.ts";

/** Whose money, taken through which provider. */
export interface TakenFrom {
  readonly provider: string;
  readonly disputeId: string;
  readonly sellerId: string;
  /** What the escrow counts it as: taken by the bank, or given to the buyer behind our back. */
  readonly counter: "chargedBack" | "refunded";
}

/** Where the money is found, in this order. Minor units, none negative. */
export interface Sources {
  readonly fees: bigint;
  readonly pending: bigint;
  readonly held: bigint;
  /** Paid out already: what the seller owes, and what the platform bears. */
  readonly debt: bigint;
  readonly losses: bigint;
}

/** Once per movement; what is in flight stays open in the dispute's account. */
export function disputeTaken(from: TakenFrom, taken: bigint, sources: Sources): LedgerTransaction {
  return transaction(
    "chargeback_taken",
    changeOf(from, sources),
    move(dispute(from.disputeId), clearing(from.provider), taken),
    ...sourcesOf(from, sources),
  );
}

/** What waited for an operation has its place. */
export function disputeSettled(from: TakenFrom, sources: Sources): LedgerTransaction {
  return transaction("chargeback_settled", changeOf(from, sources), ...sourcesOf(from, sources));
}

/** Came back: the mirror; what the seller no longer owes becomes payable to him. */
export function disputeReinstated(
  from: TakenFrom,
  reinstated: bigint,
  { payable, ...sources }: Sources & { readonly payable: bigint },
): LedgerTransaction {
  const { reason, change, postings } = mirror(
    "chargeback_reinstated",
    transaction("", changeOf(from, sources), ...sourcesOf(from, sources)),
  );
  return transaction(
    reason,
    change,
    move(clearing(from.provider), dispute(from.disputeId), reinstated),
    ...postings,
    move(dispute(from.disputeId), sellerPayable(from.sellerId), payable),
  );
}

function changeOf({ counter }: TakenFrom, { fees, pending, held }: Sources) {
  return { fees: -fees, pending: -pending, held: -held, [counter]: fees + pending + held };
}

/** A negative loss is a gain: more came back than was taken. */
function sourcesOf({ disputeId, sellerId }: TakenFrom, sources: Sources): Posting[] {
  const account = dispute(disputeId);
  const { losses } = sources;
  const loss = move(platformLosses, account, losses);
  return [
    move(platformFees, account, sources.fees),
    move(pending, account, sources.pending),
    move(held, account, sources.held),
    move(sellerDebt(sellerId), account, sources.debt),
    losses < 0n ? { ...swap(loss), amount: -losses } : loss,
  ];
}

/** Taken back from the seller; what he no longer owes by then is payable to him again. */
export function transferReversed(
  provider: string,
  sellerId: string,
  { debt, payable }: { readonly debt: bigint; readonly payable: bigint },
): LedgerTransaction {
  return transaction(
    "transfer_reversed",
    {},
    move(clearing(provider), sellerDebt(sellerId), debt),
    move(clearing(provider), sellerPayable(sellerId), payable),
  );
}

/** What is payable to him is kept against what he owes by now. */
export function payableNetted(sellerId: string, amount: bigint): LedgerTransaction {
  return transaction(
    "payable_netted",
    {},
    move(sellerPayable(sellerId), sellerDebt(sellerId), amount),
  );
}

/** Somebody else took a transfer back: nobody here knows for whom. */
export function foreignReversal(provider: string, amount: bigint): LedgerTransaction {
  return transaction("foreign_reversal", {}, move(clearing(provider), suspense(provider), amount));
}

/** The platform bears what the seller will not pay. */
export function debtWrittenOff(sellerId: string, amount: bigint): LedgerTransaction {
  return transaction("debt_written_off", {}, move(platformLosses, sellerDebt(sellerId), amount));
}

/** The money came back after all: what was forgiven was never owed. */
export function writeOffUndone(sellerId: string, amount: bigint): LedgerTransaction {
  return mirror("write_off_undone", debtWrittenOff(sellerId, amount));
}
