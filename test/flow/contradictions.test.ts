/**
 * A provider that contradicts itself: an answer or a read of one of our objects says something else
 * than was asked, or than it said before. Nothing of it is booked, a person is shown it, the next
 * sale goes on; and what the provider then says truly ends it.
 */
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { signatureOf } from "../../src/simulators/stripe/index.ts";
import type { Client } from "../support/app.ts";
import { fundsOf } from "../support/custodian-world.ts";
import { type StripeApp, type StripeSale, startStripeApp } from "../support/stripe-app.ts";
import { stripeSecrets } from "../support/stripe-harness.ts";

setDefaultTimeout(60_000);

interface Item {
  readonly kind: string;
  readonly id: string;
  readonly escrowId: string;
  readonly code: string;
}

let stripe: StripeApp;
let olga: Client;
beforeAll(async () => {
  stripe = await startStripeApp();
  olga = stripe.app.as("olga", "admin");
  await stripe.onboard("bob");
});
afterAll(() => stripe.stop());
beforeEach(() => {
  stripe.simulator.control.calm();
});

const items = async () => (await olga.get("/v1/work-items")).body.items as Item[];
const stateOf = async ({ alice, escrowId }: StripeSale) =>
  (await alice.get(`/v1/escrows/${escrowId}`)).body.state;

/** The webhook's own words count for nothing: what it names is read. */
async function told(id: string, type: string, says: object = {}): Promise<void> {
  const body = JSON.stringify({
    id: `evt_${crypto.randomUUID()}`,
    object: "event",
    type,
    api_version: "2026-10-28.endive",
    created: Math.floor(Date.now() / 1_000),
    livemode: false,
    data: { object: { id, object: type.split(".")[0], ...says } },
  });
  const headers = { "Stripe-Signature": signatureOf(body, stripeSecrets.platform, new Date()) };
  const url = `${stripe.app.url}/v1/webhooks/stripe`;
  expect((await fetch(url, { method: "POST", headers, body })).status).toBe(200);
  await stripe.settle();
}

/** A person has looked: the provider is asked once more, and says how it is. */
async function lookAgain(escrowId: string): Promise<void> {
  const mine = (await items()).filter((each) => each.escrowId === escrowId);
  const item = mine.find(({ kind }) => kind === "OUTCOME_UNKNOWN");
  expect(item).toMatchObject({ code: "CONTRADICTED" });
  stripe.simulator.control.calm();
  const retried = await olga.post(`/v1/payments/${item?.id}/retry`, {});
  expect(retried.body.status).toBe("succeeded");
  await stripe.settle();
  await stripe.app.advance("PT30M");
  await stripe.settle();
}

async function expectNeighbourFlows(): Promise<void> {
  const neighbour = await stripe.funded();
  await neighbour.alice.post(`/v1/escrows/${neighbour.escrowId}/release`);
  await stripe.settle();
  expect(await stateOf(neighbour)).toBe("RELEASED");
}

async function expectClean(): Promise<void> {
  expect(await items()).toEqual([]);
  const { checks } = await stripe.app.server.application.verify();
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
}

type Says = Readonly<Record<string, unknown>>;

/** From its making on, whenever it is read. */
function lie(collection: string, says: Says): void {
  const { control } = stripe.simulator;
  for (const route of [`POST /v1/${collection}`, `GET /v1/${collection}/:id`]) {
    control.fail({ kind: "untrue", route, says, times: 100 });
  }
}

const asked: readonly (readonly [string, Says])[] = [
  ["another amount", { amount: 1 }],
  ["another currency", { currency: "eur" }],
  ["another transfer group", { transfer_group: "esc_of_others" }],
];

test("of two answers the one that is as asked counts, whichever came first", async () => {
  const sale = await stripe.funded();
  const says = { amount: 1, destination: "acct_of_mallory" };
  stripe.simulator.control.fail({ kind: "untrue", route: "POST /v1/transfers", says });
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await stripe.settle();
  expect(await stateOf(sale)).toBe("RELEASED");
  await expectClean();
});

describe("an answer that says something else than was asked", () => {
  test.each(asked)("a payment of %s is shown to nobody who could pay it", async (_, says) => {
    lie("payment_intents", says);
    const sale = await stripe.accepted();
    const path = `/v1/escrows/${sale.escrowId}/payment`;
    expect((await sale.alice.get(path)).body.clientSecret).toBeUndefined();
    await lookAgain(sale.escrowId);
    await expectNeighbourFlows();
    expect((await sale.alice.get(path)).body.clientSecret).toContain(sale.intent);
    await expectClean();
  });

  test.each([...asked, ["another account", { destination: "acct_of_mallory" }] as const])(
    "a transfer of %s pays nobody in the books",
    async (_, says) => {
      const sale = await stripe.funded();
      lie("transfers", says);
      await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
      await stripe.settle();
      expect(await fundsOf(sale)).toEqual({ funded: "10320", reserved: "10000", fees: "320" });
      await lookAgain(sale.escrowId);
      await expectNeighbourFlows();
      expect(await stateOf(sale)).toBe("RELEASED");
      await expectClean();
    },
  );

  test.each([
    ["another amount", { amount: 1 }],
    ["another currency", { currency: "eur" }],
    ["another payment", { payment_intent: "pi_of_others" }],
  ])("a refund of %s gives nothing back in the books", async (_, says) => {
    const sale = await stripe.funded();
    lie("refunds", says);
    await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`);
    await stripe.settle();
    expect(await fundsOf(sale)).toEqual({ funded: "10320", reserved: "10320" });
    await lookAgain(sale.escrowId);
    expect(await stateOf(sale)).toBe("REFUNDED");
    await expectClean();
  });
});

describe("a read that says something else than before", () => {
  async function expectUnreadable(sale: StripeSale, id: string): Promise<void> {
    expect(await items()).toMatchObject([
      { kind: "OBJECT_UNREADABLE", id, escrowId: sale.escrowId },
    ]);
    await expectNeighbourFlows();
    stripe.simulator.control.calm();
    await stripe.app.advance("PT30M");
    await stripe.settle();
    await expectClean();
  }

  const notPaid = { status: "requires_payment_method", latest_charge: null, amount_received: 0 };
  test.each([
    ["that it was never paid", { ...notPaid, last_payment_error: { code: "card_declined" } }],
    ["another amount received", { amount_received: 1 }],
    ["another currency", { currency: "eur" }],
    ["another transfer group", { transfer_group: "esc_of_others" }],
  ])("of a payment that was booked, %s: it stays as it is booked", async (_, says) => {
    const sale = await stripe.funded();
    const before = (await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`)).body;
    const route = "GET /v1/payment_intents/:id";
    stripe.simulator.control.fail({ kind: "untrue", route, says });
    await told(sale.intent, "payment_intent.payment_failed");
    expect(await fundsOf(sale)).toEqual({ funded: "10320", held: "10000", fees: "320" });
    const after = (await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`)).body;
    expect(after).toEqual(before);
    await expectUnreadable(sale, sale.intent);
  });

  test("of a refund that had failed, that it succeeded: it is still owed", async () => {
    const { control } = stripe.simulator;
    const sale = await stripe.funded();
    control.fail({ kind: "untrue", route: "POST /v1/refunds", says: { status: "failed" } });
    await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`);
    await stripe.settle();
    const { items: disagreeing } = (await olga.get("/v1/work-items")).body;
    // Its own webhook had it read, and there it has succeeded.
    expect(disagreeing.map(({ kind }: Item) => kind).toSorted()).toEqual([
      "OBJECT_UNREADABLE",
      "REFUND_FAILED",
    ]);
    expect(await fundsOf(sale)).toEqual({ funded: "10320", reserved: "10320" });
    // Sent once more it would be paid twice.
    const failed = disagreeing.find(({ kind }: Item) => kind === "REFUND_FAILED");
    const retried = await olga.post(`/v1/payments/${failed?.id}/retry`, {});
    expect(retried.body.code).toBe("ALREADY_SETTLED");
    await stripe.settle();
    expect(await fundsOf(sale)).toEqual({ funded: "10320", reserved: "10320" });
    await expectNeighbourFlows();
  });

  test("of a bank's dispute, another currency: nothing is taken, and it is read again", async () => {
    const sale = await stripe.funded();
    const route = "GET /v1/disputes/:id";
    const says = { currency: "eur", balance_transactions: [] };
    stripe.simulator.control.fail({ kind: "untrue", route, says, times: 20 });
    const { id } = stripe.simulator.control.dispute({ intent: sale.intent });
    await stripe.settle();
    expect(await fundsOf(sale)).toEqual({ funded: "10320", held: "10000", fees: "320" });
    const unreadable = { kind: "OBJECT_UNREADABLE", id };
    expect(await items()).toContainEqual(expect.objectContaining(unreadable));
    stripe.simulator.control.calm();
    await stripe.app.advance("PT30M");
    await stripe.settle();
    expect(await stateOf(sale)).toBe("FROZEN");
  });
});

test("a webhook whose body says that an unpaid payment was paid books nothing", async () => {
  const sale = await stripe.accepted();
  const says = { status: "succeeded", amount: 99_999, amount_received: 99_999, currency: "eur" };
  await told(sale.intent, "payment_intent.succeeded", says);
  expect(await fundsOf(sale)).toEqual({});
  expect(await stateOf(sale)).toBe("AWAIT_FUNDS");
});
