/**
 * What providers tell of things that are not ours is shown to operators until it turns out to be ours
 * or one of them has looked at it.
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
import { type CustodianWorld, openCustodianWorld } from "../support/custodian-world.ts";
import { type StripeApp, startStripeApp } from "../support/stripe-app.ts";
import { stripeSecrets } from "../support/stripe-harness.ts";

setDefaultTimeout(60_000);

interface Item {
  readonly kind: string;
  readonly id: string;
}

describe("pitfall 26, B15: objects that are not ours, told of by Stripe", () => {
  let stripe: StripeApp;
  beforeAll(async () => {
    stripe = await startStripeApp();
  });
  afterAll(() => stripe.stop());
  beforeEach(() => {
    stripe.simulator.control.calm();
  });

  const olga = () => stripe.app.as("olga", "admin");
  const acknowledge = "/v1/providers/stripe/objects/acknowledge";

  async function unmatched(): Promise<readonly Item[]> {
    const { items } = (await olga().get("/v1/work-items")).body as { items: Item[] };
    return items.filter(({ kind }) => kind === "OBJECT_UNMATCHED");
  }

  async function told(id: string, type: string, account?: string): Promise<void> {
    const body = JSON.stringify({
      id: `evt_${crypto.randomUUID()}`,
      object: "event",
      type,
      api_version: "2026-10-28.endive",
      created: Math.floor(Date.now() / 1_000),
      livemode: false,
      ...(account !== undefined && { account }),
      data: { object: { id, object: type.split(".")[0] } },
    });
    const secret = account === undefined ? stripeSecrets.platform : stripeSecrets.connect;
    const headers = { "Stripe-Signature": signatureOf(body, secret, new Date()) };
    const url = `${stripe.app.url}/v1/webhooks/stripe`;
    const { status } = await fetch(url, { method: "POST", headers, body });
    expect(status).toBe(200);
  }

  test("one is shown with what told of it, until an operator says why it is nobody's", async () => {
    await told("tr_of_a_stranger", "transfer.created");
    await told("po_of_a_stranger", "payout.failed", "acct_of_a_stranger");
    await stripe.settle();
    expect(await unmatched()).toMatchObject([
      {
        id: "tr_of_a_stranger",
        provider: "stripe",
        code: "transfer.created",
        signals: "1",
        escrowId: "",
        action: `POST ${acknowledge}`,
      },
      { id: "po_of_a_stranger", code: "payout.failed", account: "acct_of_a_stranger" },
    ]);
    const looked = {
      objectId: "tr_of_a_stranger",
      reason: "made by hand on the dashboard",
      signals: "1",
    };
    const audrey = stripe.app.as("audrey", "auditor");
    expect((await audrey.post(acknowledge, looked)).status).toBe(403);
    const other = { ...looked, objectId: "tr_of_nobody" };
    expect((await olga().post(acknowledge, other)).status).toBe(404);
    const answer = await olga().post(acknowledge, looked);
    expect(answer.body).toMatchObject({ status: "succeeded" });
    await stripe.settle();
    expect((await unmatched()).map(({ id }) => id)).toEqual(["po_of_a_stranger"]);
    expect((await olga().post(acknowledge, looked)).body.code).toBe("ALREADY_SETTLED");

    await told("tr_of_a_stranger", "transfer.updated");
    await stripe.settle();
    expect((await unmatched()).map(({ id }) => id).toSorted()).toEqual([
      "po_of_a_stranger",
      "tr_of_a_stranger",
    ]);
  });

  test("what was told after an operator looked is not set aside with what he saw", async () => {
    const of = async (id: string) => (await unmatched()).find((item) => item.id === id);
    const id = "tr_told_of_thrice";
    await told(id, "transfer.created");
    await stripe.settle();
    const seen = await of(id);
    expect(seen).toMatchObject({ code: "transfer.created", signals: "1" });
    await told(id, "transfer.updated");
    await told(id, "transfer.reversed");
    await stripe.settle();
    const looked = { objectId: id, reason: "a test of the bank's", signals: "1" };
    expect((await olga().post(acknowledge, looked)).body.status).toBe("succeeded");
    expect(await of(id)).toMatchObject({ code: "transfer.reversed", signals: "3" });
    expect((await olga().post(acknowledge, looked)).body.code).toBe("ALREADY_SETTLED");
    for (const signals of [undefined, "0", "-1", "03"]) {
      const answer = await olga().post(acknowledge, { ...looked, signals });
      expect(answer).toMatchObject({ status: 422, body: { field: "signals" } });
    }
    const more = { ...looked, signals: "900000000" };
    expect((await olga().post(acknowledge, more)).body.status).toBe("succeeded");
    expect(await of(id)).toBeUndefined();
    await told(id, "transfer.updated");
    await stripe.settle();
    expect(await of(id)).toMatchObject({ code: "transfer.updated", signals: "4" });
  });

  test("one that turns out to be ours leaves the list by itself, and has had its effect", async () => {
    const { control } = stripe.simulator;
    control.fail({ kind: "error_after", route: "POST /v1/payment_intents" });
    control.fail({ kind: "error_before", route: "GET /v1/payment_intents", times: 100 });
    const { escrowId, alice, intent } = await stripe.accepted();
    control.buyer({ intent, act: "succeed" });
    await stripe.settle();
    expect(await unmatched()).toContainEqual(expect.objectContaining({ id: intent }));
    control.calm();
    await stripe.app.advance("PT5M");
    await stripe.settle();
    expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("FUNDS_HELD");
    expect(await unmatched()).not.toContainEqual(expect.objectContaining({ id: intent }));
  });

  test("one that cannot be read is shown as that, and cannot be set aside", async () => {
    const { control } = stripe.simulator;
    const { intent } = await stripe.funded();
    const says = { status: "of_tomorrow" };
    control.fail({ kind: "untrue", route: "GET /v1/disputes/:id", says, times: 20 });
    const { id } = control.dispute({ intent });
    await stripe.settle();
    const { items } = (await olga().get("/v1/work-items")).body;
    const unreadable = { kind: "OBJECT_UNREADABLE", id, escrowId: "", action: "GET /v1/providers" };
    expect(items).toContainEqual(expect.objectContaining(unreadable));
    const looked = { objectId: id, reason: "nobody's", signals: "1" };
    expect(await olga().post(acknowledge, looked)).toMatchObject({
      status: 409,
      body: { code: "ALREADY_SETTLED", provider: "stripe", escrowId: "" },
    });
  });

  test("many of them come by pages, and hide nothing that is more urgent", async () => {
    const names = Array.from({ length: 501 }, (_, n) => `tr_stranger_${n}`);
    while (names.length > 0) {
      await Promise.all(names.splice(0, 50).map((id) => told(id, "transfer.created")));
    }
    await olga().post("/v1/providers/stripe/stop", { reason: "a drill" });
    await stripe.settle();
    const first = (await olga().get("/v1/work-items")).body;
    expect(first.items[0]).toMatchObject({ kind: "RELEASES_STOPPED" });
    expect(first.items).toHaveLength(500);
    const second = (await olga().get(`/v1/work-items?cursor=${first.next}`)).body;
    expect(second.next).toBeNull();
    const shown = [...first.items, ...second.items].map(({ id }: Item) => id);
    expect(shown.filter((id: string) => id.startsWith("tr_stranger_"))).toHaveLength(501);
    expect(new Set(shown).size).toBe(shown.length);
    expect((await olga().get("/v1/work-items?cursor=nonsense")).status).toBe(400);
  });
});

describe("B15: objects that are not ours, told of by the custodian", () => {
  let world: CustodianWorld;
  beforeAll(async () => {
    world = await openCustodianWorld();
  });
  afterAll(() => world.stop());

  test("one is shown, and set aside by an operator; nothing is booked", async () => {
    const { app, simulator } = world;
    simulator.book.tell("deposit.final", "dpa_of_a_stranger");
    await simulator.flush();
    await app.settle();
    const olga = app.as("olga", "admin");
    const items = async () => (await olga.get("/v1/work-items")).body.items;
    expect(await items()).toMatchObject([
      { kind: "OBJECT_UNMATCHED", id: "dpa_of_a_stranger", code: "deposit.final" },
    ]);
    const path = "/v1/providers/custodian/objects/acknowledge";
    const objectId = "dpa_of_a_stranger";
    await olga.post(path, { objectId, reason: "another system's address", signals: "1" });
    expect(await items()).toEqual([]);
    const books = await app.as("eva", "auditor").get("/v1/ledger/trial-balance");
    expect(books.body.currencies).toEqual({});
    const { ok } = await app.server.application.verify();
    expect(ok).toBe(true);
  });
});
