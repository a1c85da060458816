/**
 * What every payment provider behind the port promises, whoever it is: one effect per key, answers
 * that say whether something happened, objects found again by our operation id, signed webhooks.
 * A further provider joins by adding a harness that plays its outside world.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createManualClock, type ManualClock } from "#platform/clock-manual";
import type { Database } from "#platform/database";
import { silentLogger } from "#platform/logger";
import type {
  AccountRequest,
  Outcome,
  PaymentProvider,
  ProviderCall,
  ProviderPayment,
  ProviderRequest,
} from "../../src/modules/payments/provider.ts";
import { createBank } from "../../src/modules/payments/providers/sandbox/bank.ts";
import { createSandboxProvider } from "../../src/modules/payments/providers/sandbox/provider.ts";
import { createSandboxWorker } from "../../src/modules/payments/providers/sandbox/worker.ts";
import { openPaymentsDatabase } from "../support/payments.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

interface SentWebhook {
  readonly bytes: Uint8Array;
  readonly headers: Headers;
}

interface Harness {
  readonly provider: PaymentProvider;
  readonly clock: ManualClock;
  /** Party ids that make the provider act so. */
  readonly names: Readonly<Record<"normal" | "unready" | "lost" | "broken" | "busy", string>>;
  readonly failingBuyer: string;
  pay(objectId: string, amount?: bigint): Promise<void>;
  decline(objectId: string): Promise<void>;
  /** Lets the provider do by itself what it does by itself. */
  goOn(): Promise<void>;
  /** Sent since the last call. */
  webhooks(): readonly SentWebhook[];
  close(): Promise<void>;
}

async function openSandbox(): Promise<Harness> {
  const db: Database = await openPaymentsDatabase();
  const clock = createManualClock();
  const sent: SentWebhook[] = [];
  const webhookSecrets = ["whsec_new", "whsec_old"];
  const post = (async (_: string | URL | Request, init?: RequestInit) => {
    const bytes = new TextEncoder().encode(String(init?.body));
    sent.push({ bytes, headers: new Headers(init?.headers) });
    return new Response("", { status: 200 });
  }) as typeof fetch;
  const worker = createSandboxWorker({
    db,
    clock,
    logger: silentLogger,
    webhookUrl: () => "http://localhost/",
    webhookSecrets,
    post,
    wakeOn: { onWake: () => () => undefined },
  });
  const bank = createBank({ db, clock });
  return {
    provider: createSandboxProvider({ db, clock, webhookSecrets: ["whsec_new"] }),
    clock,
    names: {
      normal: "bob",
      unready: "bob_unready",
      lost: "bob_timeout",
      broken: "bob_broken",
      busy: "bob_busy",
    },
    failingBuyer: "alice_refundfails",
    pay: async (objectId, amount) => {
      expect(await bank.pay(objectId, "succeed", amount)).toBe(true);
    },
    decline: async (objectId) => {
      expect(await bank.pay(objectId, "decline", undefined)).toBe(true);
    },
    goOn: async () => {
      while ((await worker.step()) === "worked") await clock.advance(1);
    },
    webhooks: () => sent.splice(0),
    close: () => db.close(),
  };
}

function idOf(outcome: Outcome<{ readonly objectId: string }>): string {
  if (outcome.kind !== "succeeded") throw new Error(outcome.kind);
  return outcome.value.objectId;
}

function accountFor(partyId: string): AccountRequest {
  const returnUrl = "https://market.example/return";
  const refreshUrl = "https://market.example/refresh";
  return { partyId, returnUrl, refreshUrl, account: "", address: "", chainId: "", signature: "" };
}

const harnesses = [{ name: "sandbox", open: openSandbox }];

describe.each(harnesses)("payment provider: $name", ({ open }) => {
  let harness: Harness;
  let provider: PaymentProvider;
  let count = 0;

  beforeAll(async () => {
    harness = await open();
    provider = harness.provider;
  });
  afterAll(() => harness.close());

  function callFor(request: Partial<ProviderRequest> = {}, attempt = 1): ProviderCall {
    count += 1;
    const whole: ProviderRequest = {
      operationId: `op_${count}`,
      escrowId: `esc_${count}`,
      paymentId: `pay_${count}`,
      paymentRef: "",
      buyerId: "alice",
      sellerId: harness.names.normal,
      amount: "10320",
      currency: "USD",
      descriptorSuffix: "",
      target: "",
      ...request,
    };
    return {
      key: `${whole.operationId}.${attempt}`,
      bytes: new TextEncoder().encode(JSON.stringify(whole)),
      request: whole,
    };
  }

  async function paid(party: Partial<ProviderRequest> = {}): Promise<ProviderPayment> {
    const created = await provider.createPayment(callFor(party));
    if (created.kind !== "succeeded") throw new Error(created.kind);
    await harness.pay(created.value.objectId);
    await harness.goOn();
    const read = await provider.getPayment(created.value.objectId);
    if (read.kind !== "succeeded") throw new Error(read.kind);
    return read.value;
  }

  test("a payment starts unpaid, and the same key gives the same payment", async () => {
    const call = callFor();
    const first = await provider.createPayment(call);
    expect(first).toMatchObject({ kind: "succeeded", value: { status: "requires_payment" } });
    expect(await provider.createPayment(call)).toEqual(first);
  });

  test("pitfall 4: what was received is said in deposits, each with an id that stays", async () => {
    const created = await provider.createPayment(callFor());
    if (created.kind !== "succeeded") throw new Error(created.kind);
    const { objectId } = created.value;
    await harness.pay(objectId, 6_000n);
    const short = await provider.getPayment(objectId);
    expect(short).toMatchObject({ value: { status: "requires_payment", fee: undefined } });
    await harness.pay(objectId);
    await harness.goOn();
    const whole = await provider.getPayment(objectId);
    if (short.kind !== "succeeded" || whole.kind !== "succeeded") throw new Error("not read");
    expect(whole.value.status).toBe("succeeded");
    expect(whole.value.deposits.map(({ amount }) => amount)).toEqual([6_000n, 4_320n]);
    expect(whole.value.deposits[0]).toEqual(short.value.deposits[0] ?? whole.value.deposits[1]);
    expect(whole.value.fee).toBe(329n);
  });

  test("a declined payment says why and takes another try", async () => {
    const created = await provider.createPayment(callFor());
    if (created.kind !== "succeeded") throw new Error(created.kind);
    await harness.decline(created.value.objectId);
    expect(await provider.getPayment(created.value.objectId)).toMatchObject({
      value: { status: "requires_payment", lastError: "card_declined" },
    });
    await harness.pay(created.value.objectId);
    expect(await provider.getPayment(created.value.objectId)).toMatchObject({
      value: { status: "succeeded", lastError: undefined },
    });
  });

  test("an unpaid payment can be ended; a paid one refuses", async () => {
    const created = await provider.createPayment(callFor());
    if (created.kind !== "succeeded") throw new Error(created.kind);
    const paymentRef = created.value.objectId;
    expect(await provider.cancelPayment(callFor({ paymentRef }))).toMatchObject({
      kind: "succeeded",
      value: { status: "cancelled" },
    });
    const { objectId } = await paid();
    expect(await provider.cancelPayment(callFor({ paymentRef: objectId }))).toMatchObject({
      kind: "refused",
      code: "NOT_POSSIBLE",
    });
  });

  test("P5: one transfer per key, confirmed later, found again by our operation id", async () => {
    const { objectId } = await paid();
    const call = callFor({ paymentRef: objectId, amount: "9950" });
    const first = await provider.createTransfer(call);
    if (first.kind !== "succeeded") throw new Error(first.kind);
    expect(await provider.createTransfer(call)).toEqual(first);
    await harness.goOn();
    const confirmed = await provider.getTransfer(first.value.objectId);
    expect(confirmed).toMatchObject({ value: { status: "succeeded" } });
    expect(await provider.findTransfer(call.request)).toEqual(confirmed);
    const other = callFor({ paymentRef: objectId });
    expect(await provider.findTransfer(other.request)).toMatchObject({ value: undefined });
  });

  test("pitfall 20: other bytes under a used key are neither done nor called refused", async () => {
    const { objectId } = await paid();
    const call = callFor({ paymentRef: objectId, amount: "100" });
    await provider.createTransfer(call);
    const request = { ...call.request, amount: "200" };
    const bytes = new TextEncoder().encode(JSON.stringify(request));
    const answer = await provider.createTransfer({ key: call.key, bytes, request });
    expect(answer).toMatchObject({ kind: "unknown", replayed: true });
  });

  test("never more goes out of a payment than came in", async () => {
    const { objectId } = await paid();
    const first = await provider.createTransfer(callFor({ paymentRef: objectId, amount: "9950" }));
    expect(first.kind).toBe("succeeded");
    const second = await provider.createRefund(callFor({ paymentRef: objectId, amount: "371" }));
    expect(second).toMatchObject({ kind: "refused", code: "PROVIDER_REFUSED" });
    const rest = await provider.createRefund(callFor({ paymentRef: objectId, amount: "370" }));
    expect(rest.kind).toBe("succeeded");
  });

  test("pitfall 9: a seller who cannot receive is a refusal of its own", async () => {
    const { objectId } = await paid();
    const call = callFor({ paymentRef: objectId, sellerId: harness.names.unready });
    expect(await provider.createTransfer(call)).toMatchObject({
      kind: "refused",
      code: "SELLER_NOT_READY",
    });
  });

  test("F24: an answer that was lost is unknown, and the same key heals it", async () => {
    const sellerId = harness.names.lost;
    const { objectId } = await paid({ sellerId });
    const call = callFor({ paymentRef: objectId, sellerId, amount: "9950" });
    expect(await provider.createTransfer(call)).toMatchObject({ kind: "unknown", replayed: false });
    const again = await provider.createTransfer(call);
    expect(again.kind).toBe("succeeded");
    expect(await provider.createTransfer(call)).toEqual(again);
  });

  test("F26: a saved error is replayed and says so; the list shows that nothing happened", async () => {
    const sellerId = harness.names.broken;
    const { objectId } = await paid({ sellerId });
    const call = callFor({ paymentRef: objectId, sellerId, amount: "9950" });
    expect(await provider.createTransfer(call)).toMatchObject({ kind: "unknown", replayed: false });
    expect(await provider.createTransfer(call)).toMatchObject({ kind: "unknown", replayed: true });
    expect(await provider.findTransfer(call.request)).toMatchObject({ value: undefined });
    const { operationId, escrowId } = call.request;
    const next = callFor({ ...call.request, operationId, escrowId }, 2);
    expect((await provider.createTransfer(next)).kind).toBe("succeeded");
  });

  test("F26: too many requests say when to come again, and nothing happened", async () => {
    const sellerId = harness.names.busy;
    const { objectId } = await paid({ sellerId });
    const call = callFor({ paymentRef: objectId, sellerId, amount: "9950" });
    const answer = await provider.createTransfer(call);
    expect(answer.kind).toBe("retry");
    expect(await provider.findTransfer(call.request)).toMatchObject({ value: undefined });
  });

  test("pitfall 21: a key is forgotten after a day: this is why we never use one that long", async () => {
    const { objectId } = await paid();
    const call = callFor({ paymentRef: objectId, amount: "100" });
    const before = await provider.createTransfer(call);
    await harness.clock.advance(19 * 3_600_000);
    expect(idOf(await provider.createTransfer(call))).toBe(idOf(before));
    await harness.clock.advance(6 * 3_600_000);
    expect(idOf(await provider.createTransfer(call))).not.toBe(idOf(before));
  });

  test("pitfall 14: a refund is pending first and may fail", async () => {
    const buyerId = harness.failingBuyer;
    const { objectId } = await paid({ buyerId });
    const call = callFor({ paymentRef: objectId, buyerId });
    const first = await provider.createRefund(call);
    if (first.kind !== "succeeded") throw new Error(first.kind);
    expect(first.value.status).toBe("pending");
    await harness.goOn();
    const read = await provider.getRefund(first.value.objectId);
    expect(read).toMatchObject({ value: { status: "failed", code: "account_closed" } });
    expect(await provider.findRefund(call.request)).toEqual(read);
  });

  test("pitfall 23: webhooks verify on their exact bytes, also while a secret is changed", async () => {
    await harness.goOn();
    harness.webhooks();
    const { objectId } = await paid();
    const [webhook] = harness.webhooks();
    if (webhook === undefined) throw new Error("no webhook");
    const verified = await provider.verifyWebhook(webhook.bytes, webhook.headers);
    expect(verified).toMatchObject({ objectId, type: "payment.succeeded", livemode: false });
    const changed = webhook.bytes.slice();
    changed[5] = (changed[5] ?? 0) ^ 1;
    expect(await provider.verifyWebhook(changed, webhook.headers)).toBeUndefined();
    expect(await provider.verifyWebhook(webhook.bytes, new Headers())).toBeUndefined();
    await harness.clock.advance(301_000);
    expect(await provider.verifyWebhook(webhook.bytes, webhook.headers)).toBeUndefined();
  });

  test("what is not there is refused as not found", async () => {
    for (const read of [provider.getPayment, provider.getTransfer, provider.getRefund]) {
      expect(await read("nothing")).toMatchObject({ kind: "refused", code: "NOT_FOUND" });
    }
  });

  test("an account says whether its party can be paid", async () => {
    const ready = await provider.createAccount(accountFor("carol"));
    expect(ready).toMatchObject({ value: { status: "READY", requirementsDue: [] } });
    expect(await provider.createAccount(accountFor("carol"))).toEqual(ready);
    const pending = await provider.createAccount(accountFor(harness.names.unready));
    expect(pending).toMatchObject({ value: { status: "PENDING" } });
  });
});
