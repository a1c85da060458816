/**
 * Payment intents and charges: made by the API, paid by whoever plays the buyer. The fee's line
 * comes some time after the money, as at Stripe.
 */
import { type Book, get, post, unitsIn } from "./book.ts";
import { type Form, formIn, textIn } from "./form.ts";
import type { Charge, Intent, Metadata } from "./objects.ts";
import { invalid, Refusal } from "./refusal.ts";

/** The least a charge may be, in its currency's units. */
const least: Readonly<Record<string, number>> = { usd: 50, eur: 50, jpy: 50 };

export function createIntent(book: Book, form: Form): Intent {
  const currency = textIn(form, "currency") ?? "";
  const amount = unitsIn(textIn(form, "amount"), "amount");
  if (!/^[a-z]{3}$/.test(currency)) throw invalid("currency");
  if (amount < (least[currency] ?? 1)) {
    throw new Refusal("The amount is too small", { code: "amount_too_small", param: "amount" });
  }
  if (amount > 99_999_999) {
    throw new Refusal("The amount is too large", { code: "amount_too_large", param: "amount" });
  }
  if (formIn(form, "transfer_data").destination !== undefined) throw invalid("transfer_data");
  const id = book.id("pi");
  const intent = book.add<Intent>({
    id,
    object: "payment_intent",
    created: book.seconds(),
    livemode: book.live,
    amount,
    amount_received: 0,
    currency,
    status: "requires_payment_method",
    client_secret: `${id}_secret_simulated`,
    latest_charge: null,
    last_payment_error: null,
    canceled_at: null,
    transfer_group: textIn(form, "transfer_group") ?? null,
    metadata: metadataIn(form),
    automatic_payment_methods: { enabled: true },
    capture_method: "automatic_async",
    statement_descriptor_suffix: textIn(form, "statement_descriptor_suffix") ?? null,
    customer: null,
  });
  book.say("payment_intent.created", intent);
  return intent;
}

export function cancelIntent(book: Book, id: string): Intent {
  const intent = get(book, "payment_intent", id);
  if (intent.status === "succeeded" || intent.status === "processing") {
    throw new Refusal(`This intent is ${intent.status}`, {
      code: "payment_intent_unexpected_state",
      executed: true,
    });
  }
  if (intent.status === "canceled") throw unexpected(intent);
  intent.status = "canceled";
  intent.canceled_at = book.seconds();
  book.say("payment_intent.canceled", intent);
  return intent;
}

function unexpected({ status }: Intent): Refusal {
  return new Refusal(`This intent is ${status}`, {
    code: "payment_intent_unexpected_state",
    executed: true,
  });
}

export function metadataIn(form: Form): Metadata {
  const given = Object.entries(formIn(form, "metadata"));
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}

/** How the buyer's side goes. "processing": a bank debit, to be ended by "succeed" or "fail". */
export type BuyerAct = "succeed" | "decline" | "requires_action" | "processing" | "fail";

export function playBuyer(book: Book, id: string, act: BuyerAct, method = "card"): Intent {
  const intent = get(book, "payment_intent", id);
  if (intent.status === "canceled" || intent.status === "succeeded") throw unexpected(intent);
  switch (act) {
    case "succeed":
      return succeed(book, intent, intent.status === "processing" ? "us_bank_account" : method);
    case "processing": {
      intent.status = "processing";
      intent.latest_charge = addCharge(book, intent, "us_bank_account", "pending").id;
      book.say("payment_intent.processing", intent);
      return intent;
    }
    case "requires_action":
      intent.status = "requires_action";
      book.say("payment_intent.requires_action", intent);
      return intent;
    case "decline":
    case "fail":
      return fail(
        book,
        intent,
        act === "decline" ? "card_declined" : "payment_intent_payment_attempt_failed",
      );
    default:
      throw invalid("outcome", `nobody acts ${String(act satisfies never)}`);
  }
}

function fail(book: Book, intent: Intent, code: string): Intent {
  const charge = intent.latest_charge
    ? get(book, "charge", intent.latest_charge)
    : addCharge(book, intent, "card", "failed");
  charge.status = "failed";
  charge.failure_code = code;
  intent.status = "requires_payment_method";
  intent.last_payment_error = { type: "card_error", code };
  intent.latest_charge = charge.id;
  book.say("charge.failed", charge);
  book.say("payment_intent.payment_failed", intent);
  return intent;
}

function succeed(book: Book, intent: Intent, method: string): Intent {
  const waiting = intent.status === "processing" ? intent.latest_charge : null;
  const charge = waiting
    ? get(book, "charge", waiting)
    : addCharge(book, intent, method, "succeeded");
  charge.status = "succeeded";
  charge.paid = true;
  intent.latest_charge = charge.id;
  intent.status = "succeeded";
  intent.last_payment_error = null;
  intent.amount_received = intent.amount;
  book.say("charge.succeeded", charge);
  book.say("payment_intent.succeeded", intent);
  book.later(book.settings.feeAfterMs, () => settleFee(book, charge));
  return intent;
}

/** 2.9 % and 30 units, rounded half up. */
function settleFee(book: Book, charge: Charge): void {
  const line = post(book, {
    amount: charge.amount,
    fee: Math.round(charge.amount * 0.029) + 30,
    currency: charge.currency,
    category: "charge",
    type: charge.payment_method_details.type === "card" ? "charge" : "payment",
    source: charge.id,
    availableAfterMs: book.settings.availableAfterMs,
  });
  charge.balance_transaction = line.id;
  book.say("charge.updated", charge);
}

function addCharge(book: Book, intent: Intent, method: string, status: Charge["status"]): Charge {
  return book.add<Charge>({
    id: book.id(method === "card" ? "ch" : "py"),
    object: "charge",
    created: book.seconds(),
    livemode: book.live,
    amount: intent.amount,
    amount_refunded: 0,
    currency: intent.currency,
    status,
    paid: status === "succeeded",
    refunded: false,
    disputed: false,
    balance_transaction: null,
    payment_intent: intent.id,
    payment_method_details: { type: method },
    transfer_group: intent.transfer_group,
    failure_code: null,
    metadata: intent.metadata,
  });
}
