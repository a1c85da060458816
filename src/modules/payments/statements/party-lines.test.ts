/** Whatever is booked: what a party reads of it sums to what it changed of his balance. */
import { expect, test } from "bun:test";
import { sum } from "#kernel/money";
import * as post from "../ledger/post.ts";
import * as bank from "../ledger/post-dispute.ts";
import { isOwn, linesFor } from "./party-lines.ts";

const amounts = { fee: 50n, netted: 300n, net: 650n };
const shares = { pending: 5n, held: 1_000n, fees: 32n };
const from = { provider: "p", sellerId: "bob", disputeId: "dp", counter: "chargedBack" } as const;
const sources = { fees: 3n, pending: 5n, held: 7n, debt: 11n, losses: 13n };

const facts = [
  post.depositConfirmed("p", 10n),
  post.depositUnattributed("p", 10n, "X"),
  post.fundingComplete(10n, 1n),
  post.providerFeeKnown("p", 3n),
  post.releaseAccepted("bob", amounts),
  post.releaseUndone("bob", amounts),
  post.transferConfirmed("p", amounts),
  post.refundAccepted({ amount: 10n, feeReturned: 1n }),
  post.refundUndone({ amount: 10n, feeReturned: 1n }),
  post.pendingRefundAccepted(10n),
  post.pendingRefundUndone(10n),
  post.refundConfirmed("p", 10n),
  post.refundReturned("p", 10n),
  post.payablePaid("p", "bob", 10n),
  post.fundsBlocked(shares),
  post.fundsUnblocked(shares),
  bank.disputeTaken(from, 39n, sources),
  bank.disputeSettled(from, sources),
  bank.disputeReinstated(from, 56n, { ...sources, payable: 17n }),
  bank.transferReversed("p", "bob", { debt: 10n, payable: 2n }),
  bank.payableNetted("bob", 10n),
  bank.foreignReversal("p", 10n),
  bank.debtWrittenOff("bob", 10n),
  bank.writeOffUndone("bob", 10n),
];

const sides = (["buyer", "seller"] as const).flatMap((role) =>
  facts.map((fact) => [role, fact.reason, fact] as const),
);

test.each(sides)("G9: a %s reads of %s what it changed", (role, reason, { postings }) => {
  for (const { debit, credit, amount } of postings) {
    const [left, came] = [debit, credit].map(({ kind: account, owner }) => ({ account, owner }));
    if (left === undefined || came === undefined) throw new Error("a posting has two sides");
    const posting = { reason, debit: left, credit: came, amount, disputeKind: "" };
    const lines = linesFor(role, "bob", posting);
    const changed =
      (isOwn(role, "bob", came) ? amount : 0n) - (isOwn(role, "bob", left) ? amount : 0n);
    expect(sum(lines.map((line) => line.amount))).toBe(changed);
    expect(lines.map(({ what }) => what)).not.toContain("");
  }
});
