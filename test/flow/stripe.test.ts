/**
 * Whole sales over Stripe: the official SDK over HTTP against a simulator that keeps its objects,
 * and its signed webhooks over HTTP back. What is asserted is what a client sees and what Stripe has.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { signatureOf } from "../../src/simulators/stripe/index.ts";
import { type StripeApp, startStripeApp } from "../support/stripe-app.ts";
import { stripeSecrets } from "../support/stripe-harness.ts";

setDefaultTimeout(60_000);

let stripe: StripeApp;
beforeAll(async () => {
  stripe = await startStripeApp();
});
afterAll(() => stripe.stop());
beforeEach(() => {
  stripe.simulator.control.calm();
});

/** Transfers of an escrow at Stripe, newest first. */
async function atStripe(path: string): Promise<{ id: string; amount: number }[]> {
  const headers = { Authorization: "Bearer sk_test_of_tests" };
  const answer = await fetch(`${stripe.simulator.url}${path}`, { headers });
  return ((await answer.json()) as { data: { id: string; amount: number }[] }).data;
}

const transfersOf = (escrowId: string) => atStripe(`/v1/transfers?transfer_group=${escrowId}`);

async function verified(): Promise<unknown[]> {
  const report = await stripe.app.server.application.verify();
  return report.checks.filter(({ ok }) => !ok);
}

test("P1: a sale by milestones over Stripe: paid, held, released in parts, the rest refunded", async () => {
  await stripe.onboard("bob");
  const milestones = [
    { milestoneId: "m1", title: "Body", amount: "6000" },
    { milestoneId: "m2", title: "Lens", amount: "4000" },
  ];
  const { escrowId, alice, bob, intent } = await stripe.accepted({ milestones });
  const payment = await alice.get(`/v1/escrows/${escrowId}/payment`);
  expect(payment.body).toMatchObject({
    provider: "stripe",
    status: "REQUIRES_PAYMENT",
    clientSecret: `${intent}_secret_simulated`,
    publishableKey: "pk_test_of_tests",
  });
  stripe.simulator.control.buyer({ intent, act: "succeed" });
  await stripe.settle();
  const held = await alice.get(`/v1/escrows/${escrowId}`);
  expect(held.body.state).toBe("FUNDS_HELD");
  expect(held.body.funds).toMatchObject({ funded: "10320", held: "10000", fees: "320" });
  // Held by the platform: Stripe has transferred nothing.
  expect(await transfersOf(escrowId)).toEqual([]);

  await alice.post(`/v1/escrows/${escrowId}/release`, { milestoneId: "m1" });
  await stripe.settle();
  const [transfer] = await transfersOf(escrowId);
  expect(transfer?.amount).toBe(5_970);
  expect(transfer).toMatchObject({ transfer_group: escrowId, currency: "usd" });

  await bob.post(`/v1/escrows/${escrowId}/refund`, { milestoneId: "m2" });
  await stripe.settle();
  const refunds = await atStripe(`/v1/refunds?payment_intent=${intent}`);
  expect(refunds.map(({ amount }) => amount)).toEqual([4_128]);
  const done = await alice.get(`/v1/escrows/${escrowId}`);
  expect(done.body.state).toBe("CLOSED");
  expect(done.body.funds).toMatchObject({ released: "5970", refunded: "4128", held: "0" });
  // What Stripe took is known from its balance transaction, later than the payment.
  const ledger = await stripe.app.as("root", "admin").get(`/v1/escrows/${escrowId}/ledger`);
  const fees = ledger.body.postings.filter(({ debit }: { debit: string }) =>
    debit.includes("provider_fees"),
  );
  expect(fees.map(({ amount }: { amount: string }) => amount)).toEqual(["329"]);
  expect(await verified()).toEqual([]);
});

test("P6, pitfall 9: a release waits for a seller without an account and goes on when he has one", async () => {
  const { escrowId, alice } = await stripe.funded({ sellerId: "dora" });
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await stripe.settle();
  const blocked = await alice.get(`/v1/escrows/${escrowId}`);
  expect(blocked.body).toMatchObject({ state: "RELEASE_BLOCKED", funds: { held: "10000" } });
  expect(await transfersOf(escrowId)).toEqual([]);

  const methods = "/v1/parties/dora/payout-methods";
  const dora = stripe.app.as("dora", "seller");
  const urls = { returnUrl: "https://market.example/a", refreshUrl: "https://market.example/b" };
  const opened = await dora.post(methods, { provider: "stripe", ...urls });
  expect(opened.body).toMatchObject({ status: "PENDING" });
  expect(opened.body.requirementsDue).toContain("external_account");
  // Asked again: a new link to the same account.
  const again = await dora.post(methods, { provider: "stripe", ...urls });
  expect(again.body.onboardingUrl).toBe(opened.body.onboardingUrl);
  await stripe.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("RELEASE_BLOCKED");

  // account.updated comes by the endpoint for connected accounts.
  const account = opened.body.onboardingUrl.split("/").at(-1);
  stripe.simulator.control.account({ account, state: "active" });
  await stripe.settle();
  expect((await dora.get(methods)).body.items).toMatchObject([{ status: "READY" }]);
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("RELEASED");
  expect((await transfersOf(escrowId)).map(({ amount }) => amount)).toEqual([9_950]);
});

test("pitfall 9: an account that Stripe closed between the look and the transfer blocks, not fails", async () => {
  const account = await stripe.onboard("erik");
  const { escrowId, alice } = await stripe.funded({ sellerId: "erik" });
  stripe.simulator.control.disturb({ types: ["account.updated"], drop: true, times: 1 });
  stripe.simulator.control.account({ account, state: "due" });
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await stripe.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("RELEASE_BLOCKED");
  stripe.simulator.control.account({ account, state: "active" });
  await stripe.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("RELEASED");
});

test.each([
  ["a saved server error after it was made", "error_after"],
  ["an answer nobody can read", "unreadable"],
  ["a connection that is cut", "cut_after"],
] as const)("P5: a transfer whose answer is %s is made once", async (_, kind) => {
  await stripe.onboard("bob");
  const { escrowId, alice } = await stripe.funded();
  stripe.simulator.control.fail({ kind, route: "POST /v1/transfers" });
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await stripe.settle();
  await stripe.app.advance("PT1M");
  const done = await alice.get(`/v1/escrows/${escrowId}`);
  expect(done.body).toMatchObject({ state: "RELEASED", funds: { released: "9950" } });
  expect((await transfersOf(escrowId)).map(({ amount }) => amount)).toEqual([9_950]);
  expect(await verified()).toEqual([]);
});

test("pitfall 20: a saved error that did nothing heals by a new key, after the list was asked twice", async () => {
  await stripe.onboard("bob");
  const { escrowId, alice } = await stripe.funded();
  stripe.simulator.control.fail({ kind: "error_before", route: "POST /v1/transfers" });
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await stripe.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("RELEASING");
  await stripe.app.advance("PT20M");
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("RELEASED");
  expect((await transfersOf(escrowId)).map(({ amount }) => amount)).toEqual([9_950]);
});

test("an intent whose making was not answered is found by the time it was made in", async () => {
  stripe.simulator.control.fail({ kind: "error_after", route: "POST /v1/payment_intents" });
  const { escrowId, alice, intent } = await stripe.accepted();
  await stripe.app.advance("PT1M");
  stripe.simulator.control.buyer({ intent, act: "succeed" });
  await stripe.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("FUNDS_HELD");
});

test("pitfall 26: a payment whose webhooks were all lost is found by looking", async () => {
  const { escrowId, alice, intent } = await stripe.accepted();
  await stripe.settle();
  stripe.simulator.control.disturb({ drop: true });
  stripe.simulator.control.buyer({ intent, act: "succeed" });
  await stripe.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("AWAIT_FUNDS");
  await stripe.app.advance("PT21M");
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("FUNDS_HELD");
});

test("pitfall 24: webhooks that come twice and in another order change nothing", async () => {
  stripe.simulator.control.disturb({ duplicate: true, reorder: true, times: 3 });
  stripe.simulator.control.disturb({ duplicate: true });
  const { escrowId, alice } = await stripe.funded();
  const held = await alice.get(`/v1/escrows/${escrowId}`);
  expect(held.body).toMatchObject({ state: "FUNDS_HELD", funds: { funded: "10320" } });
  expect(await verified()).toEqual([]);
});

test("pitfall 5: a bank debit is held only when it succeeded; one that fails can be paid again", async () => {
  const { control } = stripe.simulator;
  const { escrowId, alice, intent } = await stripe.accepted();
  const payment = async () => (await alice.get(`/v1/escrows/${escrowId}/payment`)).body;
  control.buyer({ intent, act: "processing" });
  await stripe.settle();
  expect(await payment()).toMatchObject({ status: "PROCESSING", received: "0" });
  control.buyer({ intent, act: "fail" });
  await stripe.settle();
  expect(await payment()).toMatchObject({ status: "REQUIRES_PAYMENT", received: "0" });
  control.buyer({ intent, act: "processing" });
  control.buyer({ intent, act: "succeed" });
  await stripe.settle();
  expect(await payment()).toMatchObject({ status: "SUCCEEDED", received: "10320" });
});

test("pitfall 14: a refund that fails after it succeeded is owed to the buyer again", async () => {
  const { escrowId, alice, bob, intent } = await stripe.funded();
  await bob.post(`/v1/escrows/${escrowId}/refund`);
  await stripe.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("REFUNDED");
  const [refund] = await atStripe(`/v1/refunds?payment_intent=${intent}`);
  stripe.simulator.control.failRefund({ refund: refund?.id ?? "" });
  await stripe.settle();
  const owed = await alice.get(`/v1/escrows/${escrowId}`);
  expect(owed.body).toMatchObject({ state: "REFUNDING", funds: { reserved: "10320" } });
  expect(await verified()).toEqual([]);
});

test("pitfall 23: a webhook that is not Stripe's, or not of this mode, moves nothing", async () => {
  const { url } = stripe.app;
  const post = (body: string, signature: string) =>
    fetch(`${url}/v1/webhooks/stripe`, {
      method: "POST",
      body,
      headers: { "Stripe-Signature": signature },
    });
  const event = {
    id: "evt_forged",
    object: "event",
    type: "payment_intent.succeeded",
    created: Math.floor(Date.now() / 1_000),
    livemode: false,
    api_version: "2026-10-28.endive",
    data: { object: { id: "pi_x", object: "payment_intent" } },
  };
  const forged = signatureOf(JSON.stringify(event), "whsec_mallory", new Date());
  expect((await post(JSON.stringify(event), forged)).status).toBe(400);
  const live = JSON.stringify({ ...event, id: "evt_live", livemode: true });
  const taken = await post(live, signatureOf(live, stripeSecrets.platform, new Date()));
  expect(await taken.json()).toEqual({ received: true, ignored: "livemode" });
  const thin = JSON.stringify({
    id: "evt_thin",
    object: "v2.core.event",
    type: "v2.core.account[configuration.recipient].capability_status_updated",
    created: new Date().toISOString(),
    livemode: false,
    context: "acct_thin",
    related_object: { id: "acct_thin", type: "v2.core.account" },
  });
  const known = await post(thin, signatureOf(thin, stripeSecrets.connect, new Date()));
  expect(known.status).toBe(200);
});

test("O6: a seller cannot name an account for himself, and an account is one party's", async () => {
  const account = await stripe.onboard("bob");
  const path = (partyId: string) => `/v1/parties/${partyId}/payout-methods`;
  const own = stripe.app.as("fay", "seller");
  expect((await own.post(path("fay"), { provider: "stripe", account })).body.code).toBe(
    "ROLE_REQUIRED",
  );
  const admin = stripe.app.as("root", "admin");
  const taken = await admin.post(path("fay"), { provider: "stripe", account });
  expect(taken.body.code).toBe("ACCOUNT_TAKEN");
});

test("P4: a deal of more than Stripe carries is refused with USDC proposed, in milestones too", async () => {
  const alice = stripe.app.as("alice", "buyer");
  const deal = { buyerId: "alice", sellerId: "bob", title: "A boat" };
  const usd = (amount: string) => ({ amount, currency: "USD" });
  const milestones = ["m1", "m2"].map((milestoneId) => ({
    milestoneId,
    title: milestoneId,
    amount: "600000",
  }));
  const large = await alice.post("/v1/escrows", {
    ...deal,
    amount: usd("1200000"),
    milestones,
  });
  expect(large.status).toBe(422);
  expect(large.body).toMatchObject({ code: "PROVIDER_LIMIT" });
  expect(large.body.detail).toContain("USDC");
  const most = await alice.post("/v1/escrows", { ...deal, amount: usd("1000000") });
  const payment = async (escrowId: string) =>
    (await alice.get(`/v1/escrows/${escrowId}/payment`)).body;
  const { escrowId, termsHash } = most.body.escrow;
  await stripe.app.as("bob", "seller").post(`/v1/escrows/${escrowId}/accept`, { termsHash });
  await stripe.settle();
  // Nobody named a provider: what moves real money comes before the sandbox.
  expect((await payment(escrowId)).provider).toBe("stripe");
  const quote = await alice.get("/v1/quotes?amount=10000&currency=USD");
  expect(quote.body.provider).toBe("stripe");
});

test("pitfall 16: a dispute in a state nobody knows waits for a person, and everything else goes on", async () => {
  const { escrowId, alice, intent } = await stripe.funded();
  const { control } = stripe.simulator;
  const dispute = control.dispute({ intent, status: "sent_to_the_moon" });
  await stripe.settle();
  const stuck = (await verified()) as { detail?: string }[];
  expect(JSON.stringify(stuck)).toContain(dispute.id);
  expect(JSON.stringify(stuck)).toContain("sent_to_the_moon");
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("FUNDS_HELD");
  // A release of this program that knows the word, or Stripe itself, ends it.
  control.closeDispute({ dispute: dispute.id, status: "won" });
  await stripe.settle();
  expect(await verified()).toEqual([]);
});

test("P7, pitfall 11: a payout that the seller's bank refuses is shown, and reopens nothing", async () => {
  const account = await stripe.onboard("gus");
  const { escrowId, alice, bob: gus } = await stripe.funded({ sellerId: "gus" });
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await stripe.settle();
  const { control } = stripe.simulator;
  const payout = control.payOut({ account, currency: "usd" });
  control.endPayout({ payout: payout.id, status: "paid" });
  await stripe.settle();
  // Paid is what Stripe expects: the bank may still refuse it.
  control.endPayout({ payout: payout.id, status: "failed" });
  await stripe.settle();
  const payouts = await gus.get("/v1/parties/gus/payouts");
  expect(payouts.body.items).toMatchObject([{ status: "FAILED", code: "account_closed" }]);
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("RELEASED");
});

test("G5: what all of this moved stands in Stripe's books as in ours, fees included", async () => {
  await stripe.app.advance("PT2M");
  const reports = await stripe.app.server.application.reconcile({ provider: "stripe" });
  expect(reports).toMatchObject([{ provider: "stripe", breaks: [] }]);
  expect(reports[0]?.movements).toBeGreaterThan(3);
  expect(await verified()).toEqual([]);
});

test("pitfall 20: a transfer whose answer was lost and whose repeat met a wrong key is paid once", async () => {
  await stripe.onboard("bob");
  const { escrowId, alice } = await stripe.funded();
  const route = "POST /v1/transfers";
  stripe.simulator.control.fail({ kind: "unreadable", route });
  stripe.simulator.control.fail({ kind: "wrong_key", route, times: 2 });
  await alice.post(`/v1/escrows/${escrowId}/release`);
  for (let wait = 0; wait < 4; wait += 1) {
    await stripe.settle();
    const { funds } = (await alice.get(`/v1/escrows/${escrowId}`)).body;
    expect(funds.held).toBe("0");
    await stripe.app.advance("PT1M");
  }
  await stripe.settle();
  expect(await transfersOf(escrowId)).toHaveLength(1);
  const done = await alice.get(`/v1/escrows/${escrowId}`);
  expect(done.body.funds).toMatchObject({ released: "9950", held: "0", reserved: "0" });
  expect(await verified()).toEqual([]);
});
