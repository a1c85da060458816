/** Signatures are made by the SDK itself: what it signs is what Stripe signs. */
import { describe, expect, test } from "bun:test";
import Stripe from "stripe";
import { createManualClock } from "#platform/clock-manual";
import { createStripeProvider } from "./provider.ts";

const secrets = { platform: ["whsec_old", "whsec_new"], connect: ["whsec_connect"] };
const clock = createManualClock();
const provider = createStripeProvider({
  secretKey: "sk_test_x",
  live: false,
  publishableKey: undefined,
  webhookSecrets: secrets,
  bankDebits: "succeeded",
  apiBase: undefined,
  clock,
});
const sdk = new Stripe("sk_test_x");
const nowSeconds = Math.floor(clock.wall().getTime() / 1_000);

const event = {
  id: "evt_1",
  object: "event",
  type: "payment_intent.succeeded",
  created: nowSeconds,
  livemode: false,
  api_version: "2026-10-28.endive",
  data: { object: { id: "pi_1", object: "payment_intent" } } as object,
};

interface Signing {
  readonly secret?: string;
  readonly timestamp?: number;
  /** What is sent, where it is not what was signed. */
  readonly sent?: string;
}

async function arrive(body: object | string, signing: Signing = {}) {
  const { secret = "whsec_new", timestamp = nowSeconds } = signing;
  const payload = typeof body === "string" ? body : JSON.stringify(body);
  const header = await sdk.webhooks.generateTestHeaderStringAsync({ payload, secret, timestamp });
  const bytes = new TextEncoder().encode(signing.sent ?? payload);
  return provider.verifyWebhook(bytes, new Headers({ "stripe-signature": header }));
}

const taken = { eventId: "evt_1" };
const forged = { refused: "signature" } as const;
const of = (type: string, object: object, more: object = {}) => ({
  ...event,
  type,
  ...more,
  data: { object },
});

describe("pitfall 23: a webhook", () => {
  test("that the SDK signed is verified", async () => {
    expect(await arrive(event)).toEqual({
      eventId: "evt_1",
      type: "payment_intent.succeeded",
      objectId: "pi_1",
      createdAt: new Date(nowSeconds * 1_000),
      livemode: false,
      account: "",
    });
  });

  test("A6: is verified by either secret while one is changed for the other, by no third", async () => {
    expect(await arrive(event, { secret: "whsec_old" })).toMatchObject(taken);
    expect(await arrive(event, { secret: "whsec_new" })).toMatchObject(taken);
    expect(await arrive(event, { secret: "whsec_mallory" })).toEqual(forged);
  });

  test.each([
    [-301, "too_old"],
    [301, "in_future"],
  ] as const)("signed %d seconds from now is refused: %s", async (off, refused) => {
    const timestamp = nowSeconds + off;
    expect(await arrive(event, { timestamp })).toEqual({ refused });
    expect(await arrive(event, { timestamp, secret: "whsec_mallory" })).toEqual(forged);
    expect(await arrive(event, { timestamp: timestamp - Math.sign(off) })).toMatchObject(taken);
  });

  test("of other bytes, or without a signature, is refused", async () => {
    const sent = JSON.stringify({ ...event, id: "evt_2" });
    expect(await arrive(event, { sent })).toEqual(forged);
    expect(await arrive(event, { sent: JSON.stringify(event, null, 2) })).toEqual(forged);
    const bytes = new TextEncoder().encode(JSON.stringify(event));
    for (const header of ["", "t=,v1=", "v1=abc", `t=${nowSeconds}`, "nonsense"]) {
      const headers = new Headers({ "stripe-signature": header });
      expect(await provider.verifyWebhook(bytes, headers)).toEqual(forged);
    }
  });

  test("kept by somebody is not made new by a second time in its header", async () => {
    const payload = JSON.stringify(event);
    const bytes = new TextEncoder().encode(payload);
    const [old, now] = [nowSeconds - 86_400, nowSeconds];
    const secret = "whsec_new";
    const signed = await sdk.webhooks.generateTestHeaderStringAsync({
      payload,
      secret,
      timestamp: old,
    });
    const v1 = signed.slice(signed.indexOf("v1="));
    const times = [`${old}x`, ` ${old}`, `0000${old}`, `${old} `, `+${old}`, `${old}`];
    const lists = times.flatMap((time) => [
      `t=${now},t=${time}`,
      `t=${time},t=${now}`,
      `t=${time}`,
    ]);
    for (const list of [...lists.filter((each) => each !== `t=${old}`), `t=${now}, t=${old}`]) {
      const headers = new Headers({ "stripe-signature": `${list},${v1}` });
      expect([list, await provider.verifyWebhook(bytes, headers)]).toEqual([list, forged]);
    }
  });

  test("in another version of the API is refused, and so is no event at all", async () => {
    const older = { ...event, api_version: "2020-08-27" };
    expect(await arrive(older)).toEqual({ refused: "version" });
    expect(await arrive(older, { secret: "whsec_mallory" })).toEqual(forged);
    for (const body of [{ hello: "world" }, [], { ...event, data: null }]) {
      expect(await arrive(body)).toEqual({ refused: "not_an_event" });
      expect(await arrive(body, { secret: "whsec_mallory" })).toEqual(forged);
    }
    expect(await arrive("a text, not JSON")).toEqual({ refused: "not_json" });
  });

  test("comes by the endpoint of its kind only, and names the account it happened in", async () => {
    const account = { id: "acct_1", object: "account" };
    const updated = of("account.updated", account, { account: "acct_1" });
    expect(await arrive(updated)).toEqual({ refused: "endpoint" });
    expect(await arrive(updated, { secret: "whsec_connect" })).toMatchObject({
      objectId: "acct_1",
      account: "acct_1",
    });
    expect(await arrive(event, { secret: "whsec_connect" })).toEqual({ refused: "endpoint" });
    const another = of("account.updated", account, { account: "acct_2" });
    expect(await arrive(another, { secret: "whsec_connect" })).toEqual({ refused: "account" });
  });
});

describe("an event names the object to read again", () => {
  const dispute = { id: "dp_1", object: "dispute", charge: "ch_1" };
  const reversals = { data: [{ id: "trr_2" }, { id: "trr_1" }] };
  test.each([
    ["charge.updated", { id: "ch_1", object: "charge", payment_intent: "pi_9" }, "pi_9"],
    ["charge.dispute.closed", dispute, "dp_1"],
    ["charge.refund.updated", { id: "re_1", object: "refund" }, "re_1"],
    ["refund.failed", { id: "re_1", object: "refund" }, "re_1"],
    ["transfer.created", { id: "tr_1", object: "transfer" }, "tr_1"],
    ["transfer.reversed", { id: "tr_1", object: "transfer", reversals }, "tr_1/trr_2"],
    ["radar.early_fraud_warning.created", { id: "issfr_1", object: "radar" }, "issfr_1"],
    ["balance.available", { object: "balance" }, "evt_1"],
  ])("%s", async (type, object, objectId) => {
    expect(await arrive(of(type, object))).toMatchObject({ type, objectId });
  });

  test.each([
    ["payout.failed", { id: "po_1", object: "payout" }, "po_1"],
    ["capability.updated", { id: "transfers", object: "capability", account: "acct_1" }, "acct_1"],
    ["account.application.deauthorized", { id: "ca_1", object: "application" }, "acct_1"],
  ])("%s, of a connected account", async (type, object, objectId) => {
    const told = of(type, object, { account: "acct_1" });
    expect(await arrive(told, { secret: "whsec_connect" })).toMatchObject({ objectId });
  });

  test("an event of API v2 carries none: the account that it is about is read", async () => {
    const thin = {
      id: "evt_thin",
      object: "v2.core.event",
      type: "v2.core.account[configuration.recipient].capability_status_updated",
      created: "2030-01-01T00:00:00.000Z",
      livemode: false,
      context: "acct_1",
      related_object: { id: "acct_1", type: "v2.core.account" },
    };
    expect(await arrive(thin, { secret: "whsec_connect" })).toMatchObject({
      eventId: "evt_thin",
      objectId: "acct_1",
      account: "acct_1",
    });
  });
});
