/**
 * The hand on the simulator: plays buyers, sellers and banks, orders trouble, moves its clock. The
 * same actions in the process and over HTTP, at `POST /_simulator/<action>` with JSON.
 */
import { type AccountState, endPayout, payOut, setAccount } from "./accounts.ts";
import { availableOf, type Book, credit, get } from "./book.ts";
import type { Deliveries, Disturbance, WebhookTargets } from "./deliveries.ts";
import {
  clearWarning,
  closeDispute,
  escalate,
  type OpenDispute,
  openDispute,
  warnOfFraud,
} from "./disputes.ts";
import type { FaultRule, Faults } from "./faults.ts";
import { decodeForm } from "./form.ts";
import type { StripeObject } from "./objects.ts";
import { type BuyerAct, playBuyer } from "./payments.ts";
import { confirmRefund, createRefund, failRefund } from "./refunds.ts";
import { createReversal } from "./transfers.ts";

export interface ControlParts {
  readonly book: Book;
  readonly faults: Faults;
  readonly deliveries: Deliveries;
  readonly advance: (ms: number) => void;
}

export type Control = ReturnType<typeof createControl>;

export function createControl({ book, faults, deliveries, advance }: ControlParts) {
  return {
    /** The buyer pays, is declined, or has a debit under way. */
    buyer: (a: { intent: string; act: BuyerAct; method?: string }) =>
      playBuyer(book, a.intent, a.act, a.method),
    /** The intent of an escrow. */
    intentOf: (a: { group: string }) =>
      [...book.objects.values()].find(
        (object) => object.object === "payment_intent" && object.transfer_group === a.group,
      ) ?? {},
    /** The connected account that was made for a party. */
    accountOf: (a: { party: string }) =>
      [...book.objects.values()].find(
        (object) => object.object === "account" && object.metadata["partyId"] === a.party,
      ) ?? {},
    account: (a: { account: string; state: AccountState }) => setAccount(book, a.account, a.state),
    available: (a: { account: string; currency: string; units: number }) => {
      const { account, currency, units } = a;
      credit(book, account, currency, units - availableOf(book, { id: account }, currency));
      return {};
    },
    /** Refunds and reversals that nobody asked for over the API with our metadata. */
    dashboardRefund: (a: { intent: string; amount?: number }) =>
      createRefund(book, decodeForm(query({ payment_intent: a.intent, amount: a.amount }))),
    dashboardReversal: (a: { transfer: string; amount?: number }) =>
      createReversal(book, a.transfer, decodeForm(query({ amount: a.amount }))),
    confirmRefund: (a: { refund: string }) => confirmRefund(book, a.refund),
    failRefund: (a: { refund: string; reason?: string }) =>
      failRefund(book, a.refund, a.reason ?? "lost_or_stolen_card"),
    dispute: (a: { intent: string } & OpenDispute) => openDispute(book, a.intent, a),
    escalate: (a: { dispute: string }) => escalate(book, a.dispute),
    closeDispute: (a: { dispute: string; status: string; reinstated?: number }) =>
      closeDispute(book, a.dispute, a.status, a.reinstated),
    warn: (a: { intent: string }) => warnOfFraud(book, a.intent),
    clearWarning: (a: { warning: string }) => clearWarning(book, a.warning),
    /** All there is without an amount. */
    payOut: ({
      account,
      amount,
      currency,
    }: {
      account: string;
      amount?: number;
      currency: string;
    }) => payOut(book, account, amount ?? availableOf(book, { id: account }, currency), currency),
    endPayout: (a: { payout: string; status: "paid" | "failed" }) =>
      endPayout(book, a.payout, a.status),
    settings: (a: Partial<Book["settings"]>) => Object.assign(book.settings, a),
    fail: (a: FaultRule) => {
      faults.add(a);
      return {};
    },
    webhooks: (a: WebhookTargets) => {
      deliveries.targets = a;
      return {};
    },
    disturb: (a: Disturbance) => {
      deliveries.disturb(a);
      return {};
    },
    calm: () => {
      faults.clear();
      deliveries.calm();
      return {};
    },
    advance: (a: { ms: number }) => {
      advance(a.ms);
      return {};
    },
    object: <K extends StripeObject["object"]>(a: { kind: K; id: string }) =>
      get(book, a.kind, a.id),
  };
}

function query(given: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.toString();
}
