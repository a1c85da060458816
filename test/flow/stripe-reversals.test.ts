/** Transfers that somebody takes back on Stripe's own pages, those out of our own balance too. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type StripeApp, startStripeApp } from "../support/stripe-app.ts";

setDefaultTimeout(60_000);

let stripe: StripeApp;
beforeAll(async () => {
  stripe = await startStripeApp();
});
afterAll(() => stripe.stop());

async function transfersOf(escrowId: string): Promise<{ id: string; amount: number }[]> {
  const headers = { Authorization: "Bearer sk_test_of_tests" };
  const path = `/v1/transfers?transfer_group=${escrowId}`;
  const answer = await fetch(`${stripe.simulator.url}${path}`, { headers });
  return ((await answer.json()) as { data: { id: string; amount: number }[] }).data;
}

const root = () => stripe.app.as("root", "admin");
const balancesOf = async (escrowId: string) =>
  (await root().get(`/v1/escrows/${escrowId}/ledger`)).body.balances;

/** Shown, frozen until somebody has looked, and in Stripe's books as in ours. */
async function expectSeen(escrowId: string, amount: string): Promise<void> {
  const { items } = (await root().get(`/v1/escrows/${escrowId}/disputes`)).body;
  const foreign = items.find(({ kind }: { kind: string }) => kind === "FOREIGN_REVERSAL");
  expect(foreign).toMatchObject({ amount: { amount, currency: "USD" }, locked: true });
  expect((await balancesOf(escrowId))["suspense:stripe"]).toBe(amount);
  const clear = `/v1/disputes/${encodeURIComponent(foreign.disputeId)}/clear`;
  expect((await root().get("/v1/work-items")).body.items).toMatchObject([
    { kind: "FOREIGN_MOVEMENT", escrowId, amount: { amount }, action: `POST ${clear}` },
  ]);
  await stripe.app.advance("PT5M");
  const reports = await stripe.app.server.application.reconcile({ provider: "stripe" });
  expect(reports).toMatchObject([{ provider: "stripe", breaks: [] }]);
  expect((await root().post(clear, {})).body).toMatchObject({ status: "succeeded" });
  expect((await root().get("/v1/work-items")).body.items).toEqual([]);
  const { checks } = await stripe.app.server.application.verify();
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
}

test("pitfall 10: a release that is taken back by hand is booked, and stands for somebody to look at", async () => {
  await stripe.onboard("bob");
  const { escrowId, alice } = await stripe.funded();
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await stripe.settle();
  const [paid] = await transfersOf(escrowId);
  stripe.simulator.control.dashboardReversal({ transfer: paid?.id ?? "", amount: 4_000 });
  await stripe.settle();
  await expectSeen(escrowId, "4000");
});

test("pitfall 10: a transfer anew, out of our own balance, that is taken back by hand is seen by its webhook alone", async () => {
  await stripe.onboard("carla");
  const { escrowId, alice, intent } = await stripe.funded({ sellerId: "carla" });
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await stripe.settle();
  const { control } = stripe.simulator;
  // Taken by the bank, reversed at the seller, given back: she is paid again.
  const dispute = control.dispute({ intent });
  await stripe.settle();
  control.closeDispute({ dispute: dispute.id, status: "won" });
  await stripe.settle();
  const [anew] = await transfersOf(escrowId);
  expect(anew).toMatchObject({ amount: 9_950, source_transaction: null });
  control.dashboardReversal({ transfer: anew?.id ?? "", amount: 2_000 });
  await stripe.settle();
  await expectSeen(escrowId, "2000");
});
