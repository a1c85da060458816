/**
 * What is taken before it is known to be there, and what somebody else's refund does that fails: the
 * books follow the provider's, whichever webhook came, and nobody is paid with money that is gone.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mine, reorganise } from "../../src/simulators/custodian/index.ts";
import { custodianWebhookSecrets } from "../support/custodian-harness.ts";
import { acceptedUsdcSale, openCustodianWorld, send } from "../support/custodian-world.ts";
import type { Sale } from "../support/sale.ts";
import { type StripeApp, type StripeSale, startStripeApp } from "../support/stripe-app.ts";
import { stripeSecrets } from "../support/stripe-harness.ts";

setDefaultTimeout(60_000);

let stripe: StripeApp;
const hole = Bun.serve({ port: 0, fetch: () => new Response("") });

beforeAll(async () => {
  stripe = await startStripeApp();
  await stripe.onboard("bob");
});
afterAll(async () => {
  await stripe.stop();
  await hole.stop(true);
});
beforeEach(() => stripe.simulator.control.calm());

async function shown({ alice, escrowId }: Pick<Sale, "alice" | "escrowId">) {
  const { state, funds, locks } = (await alice.get(`/v1/escrows/${escrowId}`)).body;
  const moved = Object.entries(funds).filter(([, amount]) => amount !== "0");
  return { state, funds: Object.fromEntries(moved), locks: locks?.length ?? 0 };
}

async function expectProven(app: StripeApp["app"]): Promise<void> {
  const report = await app.server.application.verify();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
}

function webhooksTo(url: string): void {
  const { platform, connect } = stripeSecrets;
  stripe.simulator.control.webhooks({
    platform: { url, secret: platform },
    connect: { url, secret: connect },
  });
}

/** Paid by card, and nobody told us. */
async function paidUnheard(): Promise<StripeSale> {
  const sale = await stripe.accepted();
  webhooksTo(`http://127.0.0.1:${hole.port}/`);
  stripe.simulator.control.buyer({ intent: sale.intent, act: "succeed" });
  while (await stripe.simulator.goOn());
  webhooksTo(`${stripe.app.url}/v1/webhooks/stripe`);
  return sale;
}

const charged = { funded: "10320", chargedBack: "10320" };

test("pitfall 24: a dispute that overtakes its payment is booked after it, and takes what was paid", async () => {
  const sale = await paidUnheard();
  const { id } = stripe.simulator.control.dispute({ intent: sale.intent }) as { id: string };
  await stripe.settle();
  expect(await shown(sale)).toMatchObject({ funds: charged, locks: 1 });
  stripe.simulator.control.closeDispute({ dispute: id, status: "lost" });
  await stripe.settle();
  await stripe.app.advance("PT30M");
  await stripe.settle();
  expect(await shown(sale)).toEqual({ state: "CHARGED_BACK", funds: charged, locks: 0 });
  await expectProven(stripe.app);
});

test("pitfall 24: a dispute that was lost before anything was heard leaves nothing to release", async () => {
  const sale = await paidUnheard();
  const { control } = stripe.simulator;
  const { id } = control.dispute({ intent: sale.intent }) as { id: string };
  control.closeDispute({ dispute: id, status: "lost" });
  await stripe.settle();
  await stripe.app.advance("PT30M");
  await stripe.settle();
  expect(await shown(sale)).toEqual({ state: "CHARGED_BACK", funds: charged, locks: 0 });
  const release = await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
  expect(release.status).toBe(409);
  await expectProven(stripe.app);
});

test("story 13: a reversion that overtakes its deposit takes that deposit", async () => {
  const world = await openCustodianWorld();
  const { simulator, app } = world;
  const sale = await acceptedUsdcSale(world);
  simulator.aim({ url: `http://127.0.0.1:${hole.port}/`, secrets: custodianWebhookSecrets });
  send(world, sale, 257_550_000n);
  mine(simulator.book, 12);
  await simulator.flush();
  simulator.aim({ url: `${app.url}/v1/webhooks/custodian`, secrets: custodianWebhookSecrets });
  reorganise(simulator.book, 12);
  await simulator.flush();
  await app.settle();
  await app.advance("PT2H");
  await app.settle();
  const funds = { funded: "257550000", chargedBack: "257550000" };
  const after = await shown(sale);
  expect(after).toMatchObject({ funds, locks: 0 });
  // Gone before its source was screened it was never held: the buyer may pay again.
  expect(["CHARGED_BACK", "AWAIT_FUNDS"]).toContain(after.state);
  await expectProven(app);
  await world.stop();
});

test("pitfall 14: somebody else's refund that fails later is booked back, and the sale goes on", async () => {
  const sale = await stripe.funded();
  const before = await shown(sale);
  const { control } = stripe.simulator;
  const { id } = control.dashboardRefund({ intent: sale.intent }) as { id: string };
  await stripe.settle();
  const refunded = { funded: "10320", refunded: "10320" };
  expect(await shown(sale)).toMatchObject({ funds: refunded, locks: 1 });
  control.failRefund({ refund: id });
  await stripe.settle();
  expect(await shown(sale)).toEqual(before);
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
  await stripe.settle();
  expect((await shown(sale)).state).toBe("RELEASED");
  await expectProven(stripe.app);
});

test("pitfall 26: the failure of somebody else's refund is found by looking, too", async () => {
  const sale = await stripe.funded();
  const before = await shown(sale);
  const { control } = stripe.simulator;
  const { id } = control.dashboardRefund({ intent: sale.intent }) as { id: string };
  await stripe.settle();
  webhooksTo(`http://127.0.0.1:${hole.port}/`);
  control.failRefund({ refund: id });
  while (await stripe.simulator.goOn());
  webhooksTo(`${stripe.app.url}/v1/webhooks/stripe`);
  await stripe.app.advance("P2D");
  await stripe.settle();
  expect(await shown(sale)).toEqual(before);
  await expectProven(stripe.app);
});
