/**
 * What a posting means to a party, in his view: positive is in his favour, negative is to his charge.
 * A buyer's balance is what is kept of his money in escrow; a seller's is what is payable to him less
 * what he owes, so that what he is paid passes through: released, less the fee, paid out. Pure.
 * Invariant: a posting's lines sum to what it changes of the party's balance.
 */
import { type AccountKind, isEscrowAccount } from "../ledger/accounts.ts";

export type PartyRole = "buyer" | "seller";

export interface Side {
  readonly account: AccountKind;
  readonly owner: string;
}

export interface BookedPosting {
  readonly reason: string;
  readonly debit: Side;
  readonly credit: Side;
  /** Minor units, positive. */
  readonly amount: bigint;
  /** Of the dispute it explains; "" of any other. */
  readonly disputeKind: string;
}

export interface PartyLine {
  /** What it was to him. */
  readonly what: string;
  /** Minor units, in his favour. */
  readonly amount: bigint;
}

export function linesFor(
  role: PartyRole,
  partyId: string,
  posting: BookedPosting,
): readonly PartyLine[] {
  return role === "buyer" ? buyersLines(posting) : sellersLines(partyId, posting);
}

/** Whether what stands on the account is the party's own. */
export function isOwn(role: PartyRole, partyId: string, { account: kind, owner }: Side): boolean {
  if (role === "buyer") return isEscrowAccount({ kind });
  return (kind === "seller_debt" || kind === "seller_payable") && owner === partyId;
}

function buyersLines(posting: BookedPosting): readonly PartyLine[] {
  const { debit, credit, amount } = posting;
  const [from, to] = [isOwn("buyer", "", debit), isOwn("buyer", "", credit)];
  if (from && to) return [];
  if (to) return [{ what: cameFrom(debit.account, posting), amount }];
  if (from) return [{ what: wentTo(credit.account, posting), amount: -amount }];
  // His bank took the fee as well, which he had paid: it is his again, and taken.
  if (debit.account === "platform_fees" && credit.account === "dispute") {
    return [
      { what: "fee_returned", amount },
      { what: wentTo("dispute", posting), amount: -amount },
    ];
  }
  if (debit.account === "dispute" && credit.account === "platform_fees") {
    return [
      { what: cameFrom("dispute", posting), amount },
      { what: "fee", amount: -amount },
    ];
  }
  return [];
}

function cameFrom(account: AccountKind, { reason, disputeKind }: BookedPosting): string {
  switch (account) {
    case "clearing":
      return reason === "refund_returned" ? "refund_failed" : "deposit";
    case "platform_fees":
      return "fee_returned";
    case "seller_debt":
      return "release_undone";
    case "dispute":
      return disputeKind === "FOREIGN_REFUND" ? "refund_failed" : "chargeback_returned";
    default:
      return reason;
  }
}

function wentTo(account: AccountKind, { reason, disputeKind }: BookedPosting): string {
  if (reason === "transfer_confirmed" || account === "seller_debt") return "release";
  switch (account) {
    case "clearing":
      return "refund";
    case "platform_fees":
      return "fee";
    case "dispute":
      return disputeKind === "FOREIGN_REFUND" ? "refund" : "chargeback";
    default:
      return reason;
  }
}

function sellersLines(partyId: string, posting: BookedPosting): readonly PartyLine[] {
  const { reason, debit, credit, amount } = posting;
  if (reason === "transfer_confirmed") {
    const what = credit.account === "platform_fees" ? "fee" : "payout";
    return [
      { what: "release", amount },
      { what, amount: -amount },
    ];
  }
  const what = sellersWord(posting);
  const from = isOwn("seller", partyId, debit) ? [{ what, amount: -amount }] : [];
  const to = isOwn("seller", partyId, credit) ? [{ what, amount }] : [];
  return [...from, ...to];
}

function sellersWord({ reason, disputeKind }: BookedPosting): string {
  const foreign = disputeKind === "FOREIGN_REFUND";
  switch (reason) {
    case "release_accepted":
    case "payable_netted":
      return "netted";
    case "release_undone":
      return "netting_undone";
    case "chargeback_taken":
    case "chargeback_settled":
      return foreign ? "refund" : "chargeback";
    case "chargeback_reinstated":
      return foreign ? "refund_failed" : "chargeback_returned";
    case "transfer_reversed":
      return "reversal";
    case "payable_paid":
      return "payout";
    default:
      return reason;
  }
}
