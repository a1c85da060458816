/**
 * Where money that a bank takes is found, and where it goes when it comes back. Pure. In order: its
 * share of the buyer's fee, pending, held, what is in flight (it waits), what was paid out (by the
 * terms' policy the seller's debt, up to what he got), the platform's loss. Back in the other order,
 * so that a part that came back leaves what the rest alone would have taken. Each share is a whole
 * number of the currency's steps, or all there is, so that what stays can be paid out; the platform
 * bears or keeps what is less than a step.
 */
import { floorToStep, max, min, stepOf, sum, takeInOrder } from "#kernel/money";
import type { Sources } from "../ledger/post-dispute.ts";
import type { Dispute, Places } from "./dispute.ts";
import type { Operation, Payment } from "./payment.ts";

export interface Situation {
  readonly payment: Payment;
  /** All of the payment's. */
  readonly disputes: Iterable<Dispute>;
  readonly operations: Iterable<Operation>;
}

/** Of `amount`, taken now for a dispute of the payment. Unsent operations have been withdrawn. */
export function placesOfTaken(amount: bigint, situation: Situation): Places {
  const { funds } = situation.payment;
  const fees = feeShare(amount, situation);
  const order = [funds.pending, funds.held, inFlight(situation)];
  const { parts, rest, dust } = takeSteps(amount - fees, order, situation.payment);
  const [pending = 0n, held = 0n, open = 0n] = parts;
  const { debt, losses } = paidOut(rest, situation);
  return { fees, pending, held, open, debt, losses: losses + dust };
}

/** Of what waited for operations, as much as they can no longer take along. */
export function placesOfOpen(dispute: Dispute, situation: Situation): Sources {
  const { funds } = situation.payment;
  const others = [...situation.disputes].filter(({ disputeId }) => disputeId !== dispute.disputeId);
  const waiting = inFlight({ ...situation, disputes: others });
  const due = feeOf(dispute.taken - dispute.reinstated, situation.payment) - dispute.fees;
  // A refund that failed brought its part of the fee back.
  const fees = min(max(due, 0n), feesKept(situation));
  const order = [fees, funds.pending, funds.held];
  const free = max(dispute.open - waiting, 0n);
  const { parts, rest, dust } = takeSteps(free, order, situation.payment);
  const [fee = 0n, pending = 0n, held = 0n] = parts;
  const { debt, losses } = paidOut(rest, situation);
  return { fees: fee, pending, held, debt, losses: losses + dust };
}

/** `open` of what came back waits no longer for anything; `borne` is what the seller gets back. */
export interface Returned extends Omit<Places, "debt"> {
  readonly borne: bigint;
}

export function placesOfReturned(
  amount: bigint,
  dispute: Dispute,
  { payment }: Pick<Situation, "payment">,
): Returned {
  const net = max(dispute.taken - dispute.reinstated - amount, 0n);
  const fees = min(max(dispute.fees - feeOf(net, payment), 0n), amount);
  const borne = dispute.debt - dispute.payable;
  // What the platform kept of an earlier part, being less than a step, is the others' again.
  const losses = min(amount - fees, dispute.losses);
  const order = [borne, dispute.open, dispute.held, dispute.pending];
  const { parts, rest, dust } = takeSteps(amount - fees - losses, order, payment);
  const [seller = 0n, open = 0n, held = 0n, pending = 0n] = parts;
  // The fee's share is a floor, so a unit of it may be left over.
  const more = min(rest, dispute.fees - fees);
  const kept = losses + dust + rest - more;
  return { fees: fees + more, pending, held, open, borne: seller, losses: kept };
}

/** Nothing of the buyer's fee is taken once the escrow itself is empty: that sale is over. */
function feeShare(amount: bigint, situation: Situation): bigint {
  const { payment, disputes } = situation;
  const { pending, held, reserved } = payment.funds;
  if (pending + held + reserved === 0n) return 0n;
  const before = sum([...disputes].map(({ taken, reinstated }) => taken - reinstated));
  const share = feeOf(before + amount, payment) - feeOf(before, payment);
  return min(max(share, 0n), min(feesKept(situation), amount));
}

/** What is left of the buyer's fee; the seller's was earned by what he got. */
function feesKept({ payment, operations }: Pick<Situation, "payment" | "operations">): bigint {
  const sellers = [...operations]
    .filter(({ kind, state }) => kind === "TRANSFER" && state === "SUCCEEDED")
    .map(({ fee }) => fee);
  return max(payment.funds.fees - sum(sellers), 0n);
}

function feeOf(amount: bigint, { buyerFee, funds, currency }: Payment): bigint {
  if (funds.funded === 0n) return 0n;
  return floorToStep((amount * buyerFee) / funds.funded, stepOf(currency));
}

/** As takeInOrder; a part that does not empty its place is whole steps, what is less is `dust`. */
function takeSteps(amount: bigint, order: readonly bigint[], { currency }: Payment) {
  const step = stepOf(currency);
  const { parts: exact, rest } = takeInOrder(amount, order);
  const parts = exact.map((part, i) => (part === order[i] ? part : floorToStep(part, step)));
  return { parts, rest, dust: sum(exact) - sum(parts) };
}

/** Reserved money that is under way and no dispute waits for yet. */
function inFlight({ payment, disputes }: Pick<Situation, "payment" | "disputes">): bigint {
  return max(payment.funds.reserved - sum([...disputes].map(({ open }) => open)), 0n);
}

function paidOut(amount: bigint, { payment, disputes }: Situation) {
  const borne = sum([...disputes].map(({ debt, payable }) => debt - payable));
  const got = max(payment.funds.released - borne, 0n);
  const share = (min(amount, got) * sellersPercent(payment)) / 100n;
  const debt = floorToStep(share, stepOf(payment.currency));
  return { debt, losses: amount - debt };
}

function sellersPercent({ chargebackLiability }: Payment): bigint {
  const [who, percent = ""] = chargebackLiability.split(":");
  switch (who) {
    case "PLATFORM":
      return 0n;
    case "RATIO":
      return BigInt(percent || "50");
    default:
      return 100n;
  }
}
