/**
 * Every request that the Stripe adapter makes, held against Stripe's own description of its API by
 * stripe-mock. Whether a request is well formed is all that it can say: it answers with fixtures, so
 * what an answer means is the business of the tests against our simulator. A bank debit is asked for
 * as a card is. It lets pass unread what `expand` names and what a key may do; its description may be
 * of a somewhat older version of the API than ours, and knows all that we ask even so.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createManualClock } from "#platform/clock-manual";
import { silentLogger } from "#platform/telemetry/logger";
import type { ProviderCall, ProviderRequest } from "../../src/modules/payments/provider.ts";
import { apiVersion } from "../../src/modules/payments/providers/stripe/client.ts";
import {
  createStripeProvider,
  type StripeProvider,
} from "../../src/modules/payments/providers/stripe/provider.ts";
import { openPaymentsDatabase } from "../support/payments.ts";
import { accountFor } from "../support/provider-calls.ts";
import { type Asked, type Changes, type StripeMock, stripeMocks } from "../support/stripe-mock.ts";

setDefaultTimeout(60_000);

/** Each method of the SDK that the adapter calls: what it asks, and with which parameters in all. */
const asks: Readonly<Record<string, readonly [request: string, parameters: string]>> = {
  "accountLinks.create": ["POST /v1/account_links", "account refresh_url return_url type"],
  "accounts.create": ["POST /v1/accounts", "capabilities controller metadata"],
  "accounts.retrieve": ["GET /v1/accounts/:id", ""],
  "accounts.retrieveCurrent": ["GET /v1/account", ""],
  "balanceSettings.retrieve": ["GET /v1/balance_settings", ""],
  "balanceTransactions.list": [
    "GET /v1/balance_transactions",
    "created expand limit starting_after",
  ],
  "charges.retrieve": ["GET /v1/charges/:id", ""],
  "disputes.retrieve": ["GET /v1/disputes/:id", ""],
  "events.list": ["GET /v1/events", "created limit starting_after types"],
  "paymentIntents.cancel": ["POST /v1/payment_intents/:id/cancel", "expand"],
  "paymentIntents.create": [
    "POST /v1/payment_intents",
    "amount automatic_payment_methods currency metadata statement_descriptor_suffix transfer_group",
  ],
  "paymentIntents.list": ["GET /v1/payment_intents", "created limit starting_after"],
  "paymentIntents.retrieve": ["GET /v1/payment_intents/:id", "expand"],
  "payouts.retrieve": ["GET /v1/payouts/:id", ""],
  "radar.earlyFraudWarnings.retrieve": ["GET /v1/radar/early_fraud_warnings/:id", ""],
  "refunds.create": ["POST /v1/refunds", "amount metadata payment_intent"],
  "refunds.list": ["GET /v1/refunds", "limit payment_intent starting_after"],
  "refunds.retrieve": ["GET /v1/refunds/:id", ""],
  "transfers.create": [
    "POST /v1/transfers",
    "amount currency destination metadata source_transaction transfer_group",
  ],
  "transfers.createReversal": ["POST /v1/transfers/:id/reversals", "amount metadata"],
  "transfers.list": ["GET /v1/transfers", "limit starting_after transfer_group"],
  "transfers.listReversals": ["GET /v1/transfers/:id/reversals", "limit starting_after"],
  "transfers.retrieve": ["GET /v1/transfers/:id", ""],
  "transfers.retrieveReversal": ["GET /v1/transfers/:id/reversals/:id", ""],
  "webhookEndpoints.list": ["GET /v1/webhook_endpoints", "limit"],
};

/** A second page is asked for once. */
const twoPages: Changes[string] = (answer, sent) => ({
  ...answer,
  has_more: !sent.has("starting_after"),
});
const endpoint = {
  status: "enabled",
  url: "https://shop.example/v1/webhooks/stripe",
  api_version: apiVersion,
};
/** Where a fixture would keep the adapter from asking on. */
const changes: Changes = {
  "GET /v1/payment_intents": twoPages,
  "GET /v1/refunds": twoPages,
  "GET /v1/transfers": twoPages,
  "GET /v1/transfers/:id/reversals": twoPages,
  "GET /v1/payment_intents/:id": (intent) => ({
    ...intent,
    status: "succeeded",
    latest_charge: "ch_1",
  }),
  "GET /v1/transfers/:id": (transfer) => ({ ...transfer, source_transaction: "ch_1" }),
  "GET /v1/balance_settings": (settings) => ({
    ...settings,
    payments: { payouts: { schedule: { interval: "manual" } } },
  }),
  "GET /v1/webhook_endpoints": (list) => ({ ...list, data: [endpoint] }),
};

const request: ProviderRequest = {
  operationId: "op_1",
  escrowId: "esc_1",
  paymentId: "pay_1",
  paymentRef: "pi_1",
  buyerId: "alice",
  sellerId: "bob",
  amount: "10320",
  currency: "USD",
  descriptorSuffix: "LAMP 42",
  target: "acct_1",
};

function callFor(changed: Partial<ProviderRequest> = {}): ProviderCall {
  return { key: "op_1.1", bytes: new Uint8Array(), request: { ...request, ...changed } };
}

/** Every method of the port that asks Stripe, by each of its ways. */
async function askAll(provider: StripeProvider, now: Date): Promise<void> {
  await provider.createPayment(callFor());
  await provider.createPayment(callFor({ descriptorSuffix: "", amount: "500", currency: "JPY" }));
  await provider.getPayment("pi_1");
  await provider.findPayment({ ...callFor(), since: now });
  await provider.cancelPayment(callFor());

  await provider.createTransfer(callFor());
  await provider.createTransfer(callFor({ paymentRef: "" }));
  await provider.getTransfer("tr_1");
  await provider.findTransfer(callFor());
  await provider.createReversal(callFor({ target: "tr_1" }));
  await provider.getReversal("tr_1/trr_1");
  await provider.findReversal(callFor({ target: "tr_1" }));

  await provider.createRefund(callFor());
  await provider.getRefund("re_1");
  await provider.findRefund(callFor());

  await provider.createAccount(accountFor("bob"));
  await provider.createAccount({ ...accountFor("bob"), account: "acct_1" });
  await provider.getAccount("acct_1");

  for (const id of ["dp_1", "du_1", "issfr_1", "re_1", "pyr_1", "tr_1/trr_1"]) {
    await provider.getForeign(id, "");
  }
  await provider.getForeign("po_1", "acct_1");

  const window = { from: new Date(now.getTime() - 3_600_000), until: now };
  for (const cursor of [undefined, "evt_1"]) await provider.listEvents({ ...window, cursor });
  for (const cursor of [undefined, "txn_1"]) await provider.listMovements({ ...window, cursor });
}

/** What was refused as malformed, with what stripe-mock said of it. */
function refused(asked: readonly Asked[]): readonly unknown[] {
  return asked
    .filter(({ status }) => status >= 400)
    .map(({ request, parameters, answer }) => ({ request, parameters, answer }));
}

describe.each(stripeMocks)("Stripe's own description of its API", ({ open }) => {
  let mock: StripeMock;

  beforeAll(async () => {
    mock = await open(changes);
    const clock = createManualClock();
    const provider = createStripeProvider({
      secretKey: "sk_test_123",
      // Stripe is asked everything at a start; stripe-mock takes only a key of test mode.
      live: true,
      publishableKey: undefined,
      webhookSecrets: { platform: [], connect: [] },
      bankDebits: "available",
      apiBase: mock.url,
      clock,
    });
    const db = await openPaymentsDatabase();
    await provider.prepare({ db, logger: silentLogger });
    await db.close();
    await askAll(provider, clock.now());
  });
  afterAll(() => mock.close());

  test("knows each request of ours, and each parameter in it", () => {
    expect(refused(mock.asked)).toEqual([]);
  });

  test("was held against every request, with every parameter, and no others", () => {
    const sent = new Map<string, Set<string>>();
    for (const { request, parameters } of mock.asked) {
      sent.set(request, new Set([...(sent.get(request) ?? []), ...parameters]));
    }
    const said = [...sent].map(([request, names]) => [request, [...names].sort().join(" ")]);
    expect(said.sort()).toEqual(
      Object.values(asks)
        .map((ask) => [...ask])
        .sort(),
    );
  });

  test("was held against every call of the SDK that stands in the adapter", () => {
    const folder = join(import.meta.dir, "../../src/modules/payments/providers/stripe");
    const names = readdirSync(folder).filter((name) => !name.endsWith(".test.ts"));
    const text = names.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
    const called = [...text.matchAll(/\bsdk\s*\.([\w.]+)\(/g)].map(([, method = ""]) => method);
    expect([...new Set(called)].sort()).toEqual(Object.keys(asks).sort());
  });

  test("a seller's payout is asked for in his account, all else in the platform's", () => {
    const elsewhere = mock.asked.filter(({ account }) => account !== "");
    expect(elsewhere).toMatchObject([{ request: "GET /v1/payouts/:id", account: "acct_1" }]);
  });

  test.each([
    ["a misspelled parameter", "POST", "/v1/refunds", "payment_intnt=pi_1", 400],
    ["a misspelled member", "POST", "/v1/accounts", "controller[fee][payer]=application", 400],
    ["a misspelled bound", "GET", "/v1/events?created[from]=1", undefined, 400],
    ["a word for a number", "POST", "/v1/payment_intents", "amount=much&currency=usd", 400],
    ["a word that is none of Stripe's", "POST", "/v1/accounts", "controller[fees][payer]=bob", 400],
    ["a missing parameter", "POST", "/v1/transfers", "amount=1&currency=usd", 400],
    ["a misspelled filter", "GET", "/v1/transfers?transfr_group=esc_1", undefined, 400],
    ["a misspelled path", "GET", "/v1/balance_setting", undefined, 404],
  ])("%s would be refused", async (_, method, path, body, status) => {
    const before = mock.asked.length;
    await fetch(`${mock.url}${path}`, {
      method,
      headers: {
        authorization: "Bearer sk_test_123",
        "content-type": "application/x-www-form-urlencoded",
      },
      ...(body !== undefined && { body }),
    });
    const seen = mock.asked.slice(before);
    expect(seen).toMatchObject([{ status, answer: { error: { type: "invalid_request_error" } } }]);
    expect(refused(seen)).toHaveLength(1);
  });
});
