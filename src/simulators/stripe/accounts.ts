/**
 * Connected accounts: made unready, made ready by whoever plays their owner, and paid out to their
 * banks. Their events go to the endpoint for connected accounts.
 */
import { availableOf, type Book, credit, get } from "./book.ts";
import { type Form, textIn } from "./form.ts";
import type { Account, Payout } from "./objects.ts";
import { metadataIn } from "./payments.ts";
import { Refusal } from "./refusal.ts";

export function createAccount(book: Book, form: Form): Account {
  const account = addAccount(book, book.id("acct"), metadataIn(form));
  book.say("account.updated", account, account.id);
  return account;
}

function addAccount(book: Book, id: string, metadata: Account["metadata"]): Account {
  return book.add<Account>({
    id,
    object: "account",
    created: book.seconds(),
    type: "none",
    metadata,
    details_submitted: false,
    payouts_enabled: false,
    capabilities: { transfers: "inactive" },
    requirements: {
      currently_due: ["external_account", "individual.first_name"],
      past_due: [],
      eventually_due: ["external_account", "individual.first_name"],
      disabled_reason: "requirements.past_due",
    },
  });
}

/** The platform's own, which every key names. */
export function platformAccount(book: Book): Account {
  const there = book.objects.get(book.platformAccount);
  if (there?.object === "account") return there;
  return addAccount(book, book.platformAccount, {});
}

export function accountLink(book: Book, form: Form): object {
  const account = get(book, "account", textIn(form, "account") ?? "");
  const created = book.seconds();
  const url = `https://connect.stripe.invalid/setup/${account.id}`;
  return { object: "account_link", created, expires_at: created + 300, url };
}

/** "active": can be paid. "rejected": never. "due": something is asked for again. */
export type AccountState = "active" | "due" | "rejected";

export function setAccount(book: Book, id: string, state: AccountState): Account {
  const account = get(book, "account", id);
  const { requirements, capabilities } = account;
  account.details_submitted = true;
  account.payouts_enabled = state === "active";
  capabilities.transfers = state === "active" ? "active" : "inactive";
  requirements.currently_due = state === "due" ? ["individual.verification.document"] : [];
  requirements.past_due = requirements.currently_due;
  requirements.eventually_due = requirements.currently_due;
  requirements.disabled_reason =
    state === "active" ? null : state === "due" ? "requirements.past_due" : "rejected.other";
  book.say("account.updated", account, id);
  return account;
}

export function payOut(book: Book, account: string, amount: number, currency: string): Payout {
  if (availableOf(book, { id: account }, currency) < amount) {
    throw new Refusal("The account has too little", { code: "balance_insufficient" });
  }
  credit(book, account, currency, -amount);
  const payout = book.add<Payout>({
    id: book.id("po"),
    object: "payout",
    created: book.seconds(),
    livemode: book.live,
    amount,
    currency,
    status: "in_transit",
    failure_code: null,
    arrival_date: book.seconds() + 86_400,
    account,
  });
  book.say("payout.created", payout, account);
  return payout;
}

/** Paid is what is expected: it may turn to failed later. */
export function endPayout(book: Book, id: string, status: "paid" | "failed"): Payout {
  const payout = get(book, "payout", id);
  payout.status = status;
  if (status === "failed") {
    payout.failure_code = "account_closed";
    credit(book, payout.account, payout.currency, payout.amount);
  }
  book.say(`payout.${status}`, payout, payout.account);
  return payout;
}
