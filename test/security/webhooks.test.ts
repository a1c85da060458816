/** Webhooks that are forged, repeated, or about nothing of ours: what is answered, and what is kept. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHmac } from "node:crypto";
import { signWebhook } from "../../src/simulators/custodian/index.ts";
import { signatureOf, startStripeSimulator } from "../../src/simulators/stripe/index.ts";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";

setDefaultTimeout(60_000);

const [newer, older, connect] = ["whsec_newer", "whsec_older", "whsec_connect"];
const custodianSecrets = ["whsec_custodian_newer", "whsec_custodian_older"];

let stores: Stores;
let app: TestApp;
const simulator = startStripeSimulator({ goesOn: false });

beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores, {
    STRIPE_SECRET_KEY: "sk_test_of_tests",
    STRIPE_PUBLISHABLE_KEY: "pk_test_of_tests",
    STRIPE_WEBHOOK_SECRET: `${newer},${older}`,
    STRIPE_CONNECT_WEBHOOK_SECRET: connect,
    STRIPE_API_BASE: simulator.url,
    CUSTODIAN_URL: "http://127.0.0.1:9",
    CUSTODIAN_API_KEY: "key_of_tests:a-secret-of-tests-long-enough",
    CUSTODIAN_WEBHOOK_SECRET: custodianSecrets.join(","),
  });
});
afterAll(async () => {
  await app.stop();
  await simulator.stop();
});

function stripeEvent(id: string, object: string, type = "payment_intent.succeeded"): string {
  return JSON.stringify({
    id,
    object: "event",
    type,
    api_version: "2026-10-28.endive",
    created: Math.floor(Date.now() / 1_000),
    livemode: false,
    data: { object: { id: object, object: "payment_intent" } },
  });
}

function send(provider: string, body: string, headers: Record<string, string>) {
  const url = `${app.url}/v1/webhooks/${provider}`;
  return fetch(url, { method: "POST", headers, body });
}

async function post(provider: string, body: string, headers: Record<string, string>) {
  const response = await send(provider, body, headers);
  await response.arrayBuffer();
  return response.status;
}

async function refused(provider: string, body: string, headers: Record<string, string>) {
  const response = await send(provider, body, headers);
  expect(response.status).toBe(400);
  return (await response.json()) as { readonly code: string; readonly detail: string };
}

const signed = (body: string, secret = newer, ageMs = 0) => ({
  "Stripe-Signature": signatureOf(body, secret, new Date(Date.now() - ageMs)),
});

async function keptOf(eventId: string) {
  await app.settle();
  return stores.databases.payments.sql<{ type: string; object_id: string; matched: boolean }>`
    SELECT type, object_id, matched FROM payments.webhook WHERE event_id = ${eventId}`;
}

describe("B12: Stripe's signature", () => {
  const body = stripeEvent("evt_b12", "pi_b12");
  const header = signed(body)["Stripe-Signature"];
  const [time = "", proof = ""] = header.split(",");
  const unproven: [string, string, Record<string, string>][] = [
    ["no header", body, {}],
    ["another secret", body, signed(body, "whsec_of_nobody")],
    ["a secret that was retired", body, signed(body, "whsec_oldest")],
    ["the old scheme only", body, { "Stripe-Signature": `${time},${proof.replace("v1=", "v0=")}` }],
    ["too old", body, signed(body, newer, 301_000)],
    // Made before the tests begin: some seconds of it will have passed.
    ["of the future", body, signed(body, newer, -360_000)],
    ["its time changed", body, { "Stripe-Signature": `t=${Number(time.slice(2)) - 1},${proof}` }],
    ["a byte changed", body.replace("pi_b12", "pi_b13"), signed(body)],
    ["JSON written anew", JSON.stringify(JSON.parse(body), null, 1), signed(body)],
    ["an empty body", "", signed(body)],
    ["a proof of half the length", body, { "Stripe-Signature": `${time},${proof.slice(0, 35)}` }],
  ];
  test.each(unproven)("%s is 400, and nothing is kept", async (_, sent, headers) => {
    expect(await post("stripe", sent, headers)).toBe(400);
    expect(await keptOf("evt_b12")).toEqual([]);
  });

  test("one right proof of many, and either secret in rotation, are taken", async () => {
    const many = { "Stripe-Signature": `${time},v1=${"0".repeat(64)},${proof}` };
    expect(await post("stripe", body, many)).toBe(200);
    expect(await post("stripe", body, signed(body, older))).toBe(200);
    expect(await keptOf("evt_b12")).toHaveLength(1);
  });
});

describe("B14: the custodian's signature", () => {
  const body = JSON.stringify({
    id: "evt_b14",
    type: "deposit.seen",
    createdAt: new Date().toISOString(),
    objectId: "dpa_b14",
    live: false,
  });
  const [secret = ""] = custodianSecrets;
  const at = (ms = 0) => signWebhook(body, [secret], new Date(Date.now() + ms));
  const mac = (text: string) => createHmac("sha256", secret).update(text);
  const stamp = at()["Custodian-Timestamp"] ?? "";
  const stamped = (signature: string, timestamp = stamp) => ({
    "Custodian-Timestamp": timestamp,
    "Custodian-Signature": signature,
  });
  const unproven: [string, Record<string, string>][] = [
    ["no headers", {}],
    ["another secret", signWebhook(body, ["whsec_of_nobody"], new Date())],
    ["too old", at(-301_000)],
    ["of the future", at(360_000)],
    ["base64", stamped(`v1=${mac(`${stamp}.${body}`).digest("base64")}`)],
    ["upper case", stamped(`v1=${mac(`${stamp}.${body}`).digest("hex").toUpperCase()}`)],
    ["the time outside the proof", stamped(`v1=${mac(body).digest("hex")}`)],
    ["the time changed", stamped(at()["Custodian-Signature"] ?? "", String(Number(stamp) + 1))],
    ["no scheme", stamped(mac(`${stamp}.${body}`).digest("hex"))],
  ];
  test.each(unproven)("%s is 400, and nothing is kept", async (_, headers) => {
    expect(await post("custodian", body, headers)).toBe(400);
    expect(await keptOf("evt_b14")).toEqual([]);
  });

  test("both secrets are taken while one is changed for the other", async () => {
    for (const each of custodianSecrets) {
      expect(await post("custodian", body, signWebhook(body, [each], new Date()))).toBe(200);
    }
  });
});

describe("pitfall 23: whose signature holds is told why his webhook is refused", () => {
  const body = stripeEvent("evt_23", "pi_23");
  const older = body.replace("2026-10-28.endive", "2020-08-27");
  const faults: [string, string, string, number][] = [
    ["WEBHOOK_TOO_OLD", body, newer, 301_000],
    ["WEBHOOK_IN_FUTURE", body, newer, -360_000],
    ["WEBHOOK_NOT_JSON", "hello", newer, 0],
    ["WEBHOOK_NOT_AN_EVENT", "{}", newer, 0],
    ["WEBHOOK_OTHER_VERSION", older, newer, 0],
    ["WEBHOOK_OTHER_ENDPOINT", body, connect, 0],
  ];
  test.each(faults)(
    "%s, and another hears of the signature only",
    async (code, sent, by, ageMs) => {
      const answered = async (secret: string) =>
        (await refused("stripe", sent, signed(sent, secret, ageMs))).code;
      expect(await answered(by)).toBe(code);
      expect(await answered("whsec_of_nobody")).toBe("BAD_SIGNATURE");
      expect(await keptOf("evt_23")).toEqual([]);
    },
  );

  const event = JSON.parse(stripeEvent("evt_unfit", "pi_unfit")) as object;
  const object = (id: string) => ({ data: { object: { id, object: "payment_intent" } } });
  const long = "x".repeat(256);
  test.each([
    ["an id that is too long", { id: long }],
    ["no id", { id: "" }],
    ["a type that is too long", { type: long }],
    ["an object's id that is too long", object(long)],
    ["an account's that is too long", { account: long, secret: connect }],
    ["a year that no calendar has", { created: 1e20 }],
    ["a character in its id that nothing keeps", { id: "evt_\0" }],
    ["one in its object's id", object("pi_\0")],
    ["one in its type", { type: "transfer.\0" }],
  ])("B15: signed well, with %s it is no event", async (_, changes: object) => {
    const { secret = newer, ...rest } = changes as { readonly secret?: string };
    const sent = JSON.stringify({ ...event, ...rest });
    expect(await refused("stripe", sent, signed(sent, secret))).toMatchObject({
      code: "WEBHOOK_NOT_AN_EVENT",
    });
    expect(await keptOf("evt_unfit")).toEqual([]);
  });

  test("the custodian and the sandbox are told in the same words", async () => {
    const [secret = ""] = custodianSecrets;
    const old = signWebhook("{}", [secret], new Date(Date.now() - 301_000));
    expect(await refused("custodian", "{}", old)).toMatchObject({
      code: "WEBHOOK_TOO_OLD",
      detail: "It was signed more than 300 seconds before the time here.",
    });
    const now = signWebhook("{}", [secret], new Date());
    expect((await refused("custodian", "{}", now)).code).toBe("WEBHOOK_NOT_AN_EVENT");
    const forged = { "Sandbox-Signature": `t=1,v1=${"0".repeat(64)}` };
    expect((await refused("sandbox", "{}", forged)).code).toBe("BAD_SIGNATURE");
  });

  test("of the other mode is acknowledged, and nothing is done", async () => {
    const live = stripeEvent("evt_live", "pi_live").replace('"livemode":false', '"livemode":true');
    expect(await post("stripe", live, signed(live))).toBe(200);
    expect(await keptOf("evt_live")).toEqual([]);
  });

  test("the metric counts each by its reason", async () => {
    const live = body.replace('"livemode":false', '"livemode":true');
    const sent: [result: string, body: string, headers: Record<string, string>][] = [
      ["signature", body, {}],
      ["too_old", body, signed(body, newer, 301_000)],
      ["in_future", body, signed(body, newer, -360_000)],
      ["version", older, signed(older)],
      ["livemode", live, signed(live)],
    ];
    const counted = async (result: string) => {
      const shown = await (await fetch(`${app.url}/metrics`)).text();
      const line = new RegExp(`webhooks_total\\{provider="stripe",result="${result}"\\} ([0-9]+)`);
      return Number(line.exec(shown)?.[1] ?? 0);
    };
    for (const [result, each, headers] of sent) {
      const before = await counted(result);
      await post("stripe", each, headers);
      expect(await counted(result)).toBe(before + 1);
    }
  });
});

test("B13: fifty copies at once are one row, and another event under the id changes nothing", async () => {
  const body = stripeEvent("evt_b13", "pi_b13");
  const copies = Array.from({ length: 50 }, () => post("stripe", body, signed(body)));
  expect(new Set(await Promise.all(copies))).toEqual(new Set([200]));
  const other = stripeEvent("evt_b13", "pi_other", "payment_intent.canceled");
  expect(await post("stripe", other, signed(other))).toBe(200);
  expect(await keptOf("evt_b13")).toMatchObject([
    { type: "payment_intent.succeeded", object_id: "pi_b13" },
  ]);
});

test("B15: a webhook about nothing of ours is kept, waits for a person, and books nothing", async () => {
  const books = async () =>
    (await app.as("audrey", "auditor").get("/v1/ledger/trial-balance")).body.currencies;
  const before = await books();
  const body = stripeEvent("evt_b15", "pi_of_a_stranger");
  expect(await post("stripe", body, signed(body))).toBe(200);
  expect(await keptOf("evt_b15")).toMatchObject([{ matched: false }]);
  await app.advance("P1D");
  expect(await keptOf("evt_b15")).toMatchObject([{ matched: false }]);
  expect(await books()).toEqual(before);
  const [object] = await stores.databases.payments.sql<{ kind: string }>`
    SELECT kind FROM payments.provider_object WHERE object_id = 'pi_of_a_stranger'`;
  expect(object).toEqual({ kind: "unmatched" });
});
