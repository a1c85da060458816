/**
 * What banks do: inquiries, disputes of any amount, several to a charge, their ends, and fraud
 * warnings. Money moves by lines of its own; the status never does.
 */
import { type Book, get, post } from "./book.ts";
import type { BalanceTransaction, Charge, Dispute, Warning } from "./objects.ts";
import { Refusal } from "./refusal.ts";

/** What a dispute costs the platform, in units of the charge's currency. */
const disputeFee = 1_500;
const weekSeconds = 7 * 86_400;

export interface OpenDispute {
  readonly amount?: number;
  readonly reason?: string;
  /** No money moves, until it is escalated. */
  readonly inquiry?: boolean;
  readonly status?: string;
}

export function openDispute(book: Book, intentId: string, open: OpenDispute = {}): Dispute {
  const charge = chargeOf(book, intentId);
  const { amount = charge.amount, reason = "fraudulent", inquiry = false } = open;
  const dispute = book.add<Dispute>({
    id: book.id("dp"),
    object: "dispute",
    created: book.seconds(),
    livemode: book.live,
    amount,
    currency: charge.currency,
    charge: charge.id,
    payment_intent: intentId,
    reason,
    status: open.status ?? (inquiry ? "warning_needs_response" : "needs_response"),
    is_charge_refundable: inquiry,
    balance_transactions: [],
    evidence_details: { due_by: book.seconds() + weekSeconds, has_evidence: false },
    metadata: {},
  });
  charge.disputed = !inquiry;
  book.say("charge.dispute.created", dispute);
  if (!inquiry) withdraw(book, dispute);
  return dispute;
}

/** An inquiry becomes a dispute. */
export function escalate(book: Book, id: string): Dispute {
  const dispute = get(book, "dispute", id);
  dispute.status = "needs_response";
  dispute.is_charge_refundable = false;
  get(book, "charge", dispute.charge).disputed = true;
  book.say("charge.dispute.updated", dispute);
  withdraw(book, dispute);
  return dispute;
}

function withdraw(book: Book, dispute: Dispute): void {
  dispute.balance_transactions.push(lineOf(book, dispute, -dispute.amount, disputeFee));
  book.say("charge.dispute.funds_withdrawn", dispute);
}

function lineOf(book: Book, dispute: Dispute, amount: number, fee: number): BalanceTransaction {
  return post(book, {
    amount,
    fee,
    currency: dispute.currency,
    category: amount < 0 ? "dispute" : "dispute_reversal",
    type: "adjustment",
    source: dispute.id,
  });
}

/** `reinstated`: what comes back, all of it where it was won and nothing is said. */
export function closeDispute(book: Book, id: string, status: string, reinstated?: number): Dispute {
  const dispute = get(book, "dispute", id);
  dispute.status = status;
  const back = reinstated ?? (status === "won" ? dispute.amount : 0);
  if (back > 0 && dispute.balance_transactions.length > 0) {
    dispute.balance_transactions.push(lineOf(book, dispute, back, -disputeFee));
    book.say("charge.dispute.funds_reinstated", dispute);
  }
  if (status !== "lost") get(book, "charge", dispute.charge).disputed = false;
  book.say(closes.has(status) ? "charge.dispute.closed" : "charge.dispute.updated", dispute);
  return dispute;
}

const closes: ReadonlySet<string> = new Set(["won", "lost", "warning_closed"]);

export function warnOfFraud(book: Book, intentId: string): Warning {
  const charge = chargeOf(book, intentId);
  const warning = book.add<Warning>({
    id: book.id("issfr"),
    object: "radar.early_fraud_warning",
    created: book.seconds(),
    livemode: book.live,
    actionable: true,
    charge: charge.id,
    payment_intent: intentId,
    fraud_type: "unauthorized_use_of_card",
  });
  book.say("radar.early_fraud_warning.created", warning);
  return warning;
}

export function clearWarning(book: Book, id: string): Warning {
  const warning = get(book, "radar.early_fraud_warning", id);
  warning.actionable = false;
  book.say("radar.early_fraud_warning.updated", warning);
  return warning;
}

function chargeOf(book: Book, intentId: string): Charge {
  const { latest_charge: id } = get(book, "payment_intent", intentId);
  if (id === null) throw new Refusal("Nothing was charged");
  return get(book, "charge", id);
}
