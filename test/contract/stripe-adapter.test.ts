/**
 * What the Stripe adapter promises beyond the port's contract: how it classifies, what it asks for,
 * what it refuses to start with. The real SDK over HTTP against the simulator.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createSystemClock } from "#platform/clock-system";
import { silentLogger } from "#platform/telemetry/logger";
import { createStripeProvider } from "../../src/modules/payments/providers/stripe/provider.ts";
import { startStripeSimulator } from "../../src/simulators/stripe/index.ts";
import { openPaymentsDatabase } from "../support/payments.ts";
import { createCalls, idOf } from "../support/provider-calls.ts";
import { openStripe, type StripeHarness } from "../support/stripe-harness.ts";

setDefaultTimeout(60_000);

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

async function stripe(changes: Parameters<typeof openStripe>[0] = {}) {
  const harness = await openStripe(changes);
  opened.push(harness);
  return { harness, ...createCalls(harness) };
}

/** Another provider on the same simulator. */
function another({ config, clock }: StripeHarness, changes: Parameters<typeof openStripe>[0]) {
  return createStripeProvider({ ...config, clock, ...changes });
}

describe("P5: an answer says what happened", () => {
  test("a time-out after success is unknown, and the same key gives the one transfer", async () => {
    const { harness, callFor, paid } = await stripe({ requestMs: 300 });
    const { provider, simulator } = harness;
    const escrowId = "esc_slow";
    const { objectId } = await paid({ escrowId });
    const call = callFor({ escrowId, paymentRef: objectId, amount: "9950" });
    simulator.control.fail({ kind: "timeout_after", route: "POST /v1/transfers" });
    expect(await provider.createTransfer(call)).toMatchObject({ kind: "unknown", replayed: false });
    const again = await provider.createTransfer(call);
    expect(await provider.findTransfer(call)).toEqual(again);
    expect(simulator.control.object({ kind: "transfer", id: idOf(again) }).amount).toBe(9_950);
  });

  test("a conflict and too many requests come again under the same key, when Stripe says", async () => {
    const { harness, callFor } = await stripe();
    const { provider, simulator } = harness;
    const route = "POST /v1/payment_intents";
    const call = callFor();
    simulator.control.fail({ kind: "rate_limit", route, retryAfter: 7 });
    expect(await provider.createPayment(call)).toEqual({ kind: "retry", afterMs: 7_000 });
    simulator.control.fail({ kind: "conflict", route });
    expect(await provider.createPayment(call)).toEqual({ kind: "retry", afterMs: 1_000 });
    expect((await provider.createPayment(call)).kind).toBe("succeeded");
  });

  test("a wrong key is no word on a call nor on an object that is read", async () => {
    const { harness, callFor, paid } = await stripe();
    const { objectId } = await paid();
    const stranger = another(harness, { secretKey: "sk_live_other" });
    const notNow = { kind: "retry", outOfOrder: true };
    expect(await stranger.createPayment(callFor())).toMatchObject(notNow);
    expect(await stranger.createRefund(callFor({ paymentRef: objectId }))).toMatchObject(notNow);
    expect(await stranger.getPayment(objectId)).toMatchObject({ kind: "unknown" });
  });

  test("a transfer whose payment could not be read was not sent; one without a payment is refused", async () => {
    const { harness, callFor, paid } = await stripe();
    const { provider, simulator } = harness;
    const { objectId } = await paid({ escrowId: "esc_read" });
    const call = callFor({ escrowId: "esc_read", paymentRef: objectId, amount: "9950" });
    simulator.control.fail({ kind: "unreadable", route: "GET /v1/payment_intents/:id" });
    expect(await provider.createTransfer(call)).toMatchObject({ kind: "retry", outOfOrder: true });
    expect(await provider.findTransfer(call)).toMatchObject({ value: undefined });
    expect(await provider.createTransfer(callFor({ paymentRef: "pi_none" }))).toMatchObject({
      kind: "refused",
      code: "NOT_FOUND",
    });
  });

  test("what Stripe cannot charge is refused before it is asked", async () => {
    const { harness, callFor } = await stripe();
    for (const [amount, currency] of [
      ["49", "USD"],
      ["100000000", "USD"],
      ["10321", "KWD"],
    ] as const) {
      expect(await harness.provider.createPayment(callFor({ amount, currency }))).toMatchObject({
        kind: "refused",
        code: "PROVIDER_REFUSED",
      });
    }
    expect(harness.simulator.control.intentOf({ group: "esc_1" })).toEqual({});
  });
});

test("the simulator shows its balance: what is there, what is still to come, and an account's own", async () => {
  const { harness, callFor, paid } = await stripe();
  const { simulator, targetOf, names, config } = harness;
  const shown = async (of: object = {}) => {
    const headers = { Authorization: `Bearer ${config.secretKey}`, ...of };
    const answer = await fetch(`${simulator.url}/v1/balance`, { headers });
    return (await answer.json()) as object;
  };
  const usd = (amount: number) => [{ amount, currency: "usd" }];
  const float = 100_000_000;
  expect(await shown()).toMatchObject({ available: usd(float), pending: usd(0) });
  const escrowId = "esc_balance";
  const { objectId } = await paid({ escrowId });
  const afterFee = float + 10_320 - 329;
  expect(await shown()).toMatchObject({ available: usd(afterFee), pending: usd(0) });
  simulator.control.settings({ availableAfterMs: 86_400_000 });
  await paid();
  expect(await shown()).toMatchObject({ available: usd(afterFee), pending: usd(10_320 - 329) });
  const transfer = { escrowId, paymentRef: objectId, amount: "9950" };
  idOf(await harness.provider.createTransfer(callFor(transfer)));
  expect(await shown()).toMatchObject({ available: usd(afterFee - 9_950) });
  const seller = { "Stripe-Account": targetOf(names.normal) };
  expect(await shown(seller)).toMatchObject({ available: usd(9_950), pending: usd(0) });
});

describe("P1: separate charges and transfers", () => {
  test("the charge is the platform's, in the escrow's group; the transfer draws on it", async () => {
    const { harness, callFor, paid } = await stripe();
    const { control } = harness.simulator;
    const escrowId = "esc_group";
    const { objectId } = await paid({ escrowId });
    const intent = control.object({ kind: "payment_intent", id: objectId });
    expect(intent).toMatchObject({ transfer_group: escrowId, currency: "usd", amount: 10_320 });
    const call = callFor({ escrowId, paymentRef: objectId, amount: "9950" });
    const id = idOf(await harness.provider.createTransfer(call));
    expect(control.object({ kind: "transfer", id })).toMatchObject({
      source_transaction: intent.latest_charge,
      transfer_group: escrowId,
      destination: harness.targetOf(harness.names.normal),
      metadata: { operationId: call.request.operationId, escrowId },
    });
  });

  test("pitfall 6: no destination charge stands anywhere in the code", () => {
    const folder = join(import.meta.dir, "../../src/modules/payments/providers/stripe");
    const sources = readdirSync(folder).filter((name) => !name.endsWith(".test.ts"));
    expect(sources.length).toBeGreaterThan(8);
    for (const name of sources) {
      const text = readFileSync(join(folder, name), "utf8");
      expect(text).not.toMatch(/transfer_data|on_behalf_of|application_fee|capture_method/);
    }
  });

  test("pitfall 21: an intent is found by the time of its making, beyond the first page", async () => {
    const { harness, callFor } = await stripe();
    const since = harness.clock.now();
    const first = callFor();
    const made = await harness.provider.createPayment(first);
    for (let n = 0; n < 120; n += 1) await harness.provider.createPayment(callFor());
    expect(await harness.provider.findPayment({ ...first, since })).toEqual(made);
    await harness.clock.advance(3 * 3_600_000);
    const late = harness.clock.now();
    expect(await harness.provider.findPayment({ ...first, since: late })).toMatchObject({
      value: undefined,
    });
  });
});

describe("pitfall 5: a bank debit", () => {
  test("counts, by policy, only when Stripe has the money available", async () => {
    const { harness, callFor } = await stripe({ bankDebits: "available" });
    const { provider, simulator, clock } = harness;
    const { control } = simulator;
    control.settings({ availableAfterMs: 4 * 86_400_000 });
    const intent = idOf(await provider.createPayment(callFor()));
    control.buyer({ intent, act: "processing" });
    control.buyer({ intent, act: "succeed" });
    await harness.goOn();
    const waiting = { value: { status: "processing", deposits: [], fee: 329n } };
    expect(await provider.getPayment(intent)).toMatchObject(waiting);
    const card = idOf(await provider.createPayment(callFor()));
    control.buyer({ intent: card, act: "succeed" });
    expect(await provider.getPayment(card)).toMatchObject({ value: { status: "succeeded" } });
    await clock.advance(4 * 86_400_000 + 1_000);
    expect(await provider.getPayment(intent)).toMatchObject({
      value: { status: "succeeded", deposits: [{ amount: 10_320n }] },
    });
  });
});

describe("what happened elsewhere", () => {
  test("pitfall 10: a reversal made by hand is told with its payment", async () => {
    const { harness, callFor, paid } = await stripe();
    const { provider, simulator } = harness;
    const { objectId } = await paid();
    const transfer = idOf(
      await provider.createTransfer(callFor({ paymentRef: objectId, amount: "9950" })),
    );
    const { id } = simulator.control.dashboardReversal({ transfer, amount: 100 });
    expect(await provider.getForeign(`${transfer}/${id}`, "")).toEqual({
      kind: "succeeded",
      value: {
        kind: "foreign",
        objectId: `${transfer}/${id}`,
        paymentRef: objectId,
        movement: "reversal",
        status: "succeeded",
        amount: 100n,
        currency: "USD",
      },
    });
  });

  test.each([
    ["warning_under_review", "inquiry"],
    ["warning_closed", "inquiry_closed"],
    ["under_review", "open"],
    ["appeal_needs_response", "open"],
    ["appeal_under_review", "open"],
    ["lost", "lost"],
    ["prevented", "prevented"],
  ])("pitfall 16: a dispute that is %s is %s here", async (said, status) => {
    const { harness, paid } = await stripe();
    const { objectId: intent } = await paid();
    const { id } = harness.simulator.control.dispute({ intent, status: said });
    expect(await harness.provider.getForeign(id, "")).toMatchObject({ value: { status } });
  });

  test("a dispute in a state we do not know is not guessed at", async () => {
    const { harness, paid } = await stripe();
    const { objectId: intent } = await paid();
    const { id } = harness.simulator.control.dispute({ intent, status: "on_hold" });
    expect(harness.provider.getForeign(id, "")).rejects.toThrow("on_hold");
  });

  test("what is none of ours is nothing", async () => {
    const { harness } = await stripe();
    for (const id of ["evt_1", "ch_1", "tr_1", "ca_1", "po_1", ""]) {
      expect(await harness.provider.getForeign(id, "")).toMatchObject({ value: undefined });
    }
  });
});

describe("pitfall 7: before real money moves", () => {
  const version = "2026-10-28.endive";
  const endpoints = [{ url: "https://shop.example/v1/webhooks/stripe", api_version: version }];

  async function live() {
    const db = await openPaymentsDatabase();
    const simulator = startStripeSimulator({ live: true, goesOn: false });
    opened.push({ close: () => simulator.stop() }, { close: () => db.close() });
    const start = (changes: { secretKey?: string; live?: boolean; apiBase?: string } = {}) =>
      createStripeProvider({
        secretKey: "sk_live_of_tests",
        live: true,
        publishableKey: undefined,
        webhookSecrets: { platform: [], connect: [] },
        bankDebits: "succeeded",
        apiBase: simulator.url,
        clock: createSystemClock(),
        ...changes,
      }).prepare({ db, logger: silentLogger });
    simulator.control.settings({ endpoints });
    return { start, control: simulator.control };
  }

  test("a start with manual payouts and endpoints of our version is let through, again and again", async () => {
    const { start } = await live();
    await start();
    await start();
  });

  test.each([
    ["automatic payouts", { payoutInterval: "daily" }, "payouts to manual"],
    ["no endpoint", { endpoints: [] }, "no enabled webhook endpoint"],
    [
      "an endpoint of another version",
      { endpoints: [{ url: "https://shop.example/v1/webhooks/stripe", api_version: null }] },
      version,
    ],
  ])("%s are refused", async (_, settings, said) => {
    const { start, control } = await live();
    control.settings(settings);
    await expect(start()).rejects.toThrow(said);
  });

  test("what cannot be asked is a no where money is real, and a warning where it is not", async () => {
    const { start, control } = await live();
    control.fail({ kind: "error_before", route: "GET /v1/balance_settings" });
    await expect(start()).rejects.toThrow("unreadable");
    const nowhere = { apiBase: "http://127.0.0.1:1" };
    await expect(start(nowhere)).rejects.toThrow("whose key");
    await start({ ...nowhere, live: false, secretKey: "sk_test_of_tests" });
  });

  test("O6: the books of one account meet no key of another, or of the other mode", async () => {
    const { start } = await live();
    await start();
    const other = startStripeSimulator({ live: true, goesOn: false });
    const play = startStripeSimulator({ goesOn: false });
    opened.push({ close: () => other.stop() }, { close: () => play.stop() });
    await expect(start({ apiBase: other.url })).rejects.toThrow("holds the books of");
    const test_ = { apiBase: play.url, live: false, secretKey: "sk_test_of_tests" };
    await expect(start(test_)).rejects.toThrow("(test)");
  });
});
