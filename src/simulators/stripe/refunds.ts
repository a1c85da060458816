/**
 * Refunds of a charge, at most what is left of it. They are pending while the platform's balance is
 * too small, may fail at once or long after they succeeded, and never undo a transfer.
 */
import { type Book, get, platformAvailable, post, unitsIn } from "./book.ts";
import { type Form, textIn } from "./form.ts";
import type { Charge, Refund } from "./objects.ts";
import { metadataIn } from "./payments.ts";
import { invalid, Refusal } from "./refusal.ts";

const confirmAfterMs = 50;

export function createRefund(book: Book, form: Form): Refund {
  const charge = chargeIn(book, form);
  const left = charge.amount - charge.amount_refunded;
  const asked = textIn(form, "amount");
  const amount = asked === undefined ? left : unitsIn(asked, "amount");
  if (left === 0) throw refused("The charge is refunded already", "charge_already_refunded");
  if (amount > left) throw refused("More than is left of the charge");
  if (charge.disputed) throw refused("The charge is disputed", "charge_disputed");
  const { currency } = charge;
  const short = platformAvailable(book, currency) < amount;
  const waits = short || book.settings.refunds !== "succeeded";
  const id = book.id("re");
  const line = short ? null : lineOf(book, id, amount, currency);
  const refund = book.add<Refund>({
    id,
    object: "refund",
    created: book.seconds(),
    amount,
    currency,
    charge: charge.id,
    payment_intent: charge.payment_intent,
    status: waits ? "pending" : "succeeded",
    ...(waits && { pending_reason: short ? "insufficient_funds" : "processing" }),
    balance_transaction: line,
    reason: textIn(form, "reason") ?? null,
    metadata: metadataIn(form),
  });
  charge.amount_refunded += amount;
  charge.refunded = charge.amount_refunded === charge.amount;
  book.say("refund.created", refund);
  book.say("charge.refunded", charge);
  if (!short && waits) {
    const fails = book.settings.refunds === "failed";
    book.later(confirmAfterMs, () =>
      fails ? failRefund(book, id, "lost_or_stolen_card") : confirmRefund(book, id),
    );
  }
  return refund;
}

function chargeIn(book: Book, form: Form): Charge {
  const intentId = textIn(form, "payment_intent");
  const id = intentId
    ? get(book, "payment_intent", intentId).latest_charge
    : textIn(form, "charge");
  if (!id) throw invalid("payment_intent", "There is no successful charge to refund");
  const charge = get(book, "charge", id);
  if (charge.status !== "succeeded") throw refused("The charge has not succeeded");
  return charge;
}

function refused(message: string, code?: string): Refusal {
  return new Refusal(message, { status: 400, executed: true, ...(code && { code }) });
}

function lineOf(book: Book, id: string, amount: number, currency: string): string {
  return post(book, { amount: -amount, currency, category: "refund", source: id }).id;
}

export function confirmRefund(book: Book, id: string): Refund {
  const refund = get(book, "refund", id);
  if (refund.status !== "pending" && refund.status !== "requires_action") return refund;
  refund.status = "succeeded";
  delete refund.pending_reason;
  refund.balance_transaction ??= lineOf(book, id, refund.amount, refund.currency);
  book.say("refund.updated", refund);
  return refund;
}

/** Also long after it succeeded: the money is the platform's again. */
export function failRefund(book: Book, id: string, reason: string): Refund {
  const refund = get(book, "refund", id);
  if (refund.status === "failed" || refund.status === "canceled") return refund;
  const { amount, currency } = refund;
  const charge = get(book, "charge", refund.charge);
  refund.status = "failed";
  refund.failure_reason = reason;
  if (refund.balance_transaction !== null) {
    const line = { amount, currency, category: "refund_failure", source: id };
    refund.failure_balance_transaction = post(book, line).id;
  }
  charge.amount_refunded -= amount;
  charge.refunded = false;
  book.say("refund.failed", refund);
  return refund;
}
