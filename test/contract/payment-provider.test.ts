/**
 * What every payment provider behind the port promises, whoever it is: one effect per key, answers
 * that say whether something happened, objects found again by our operation id, signed webhooks.
 * A further provider joins by adding a harness that plays its outside world.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type {
  Outcome,
  Page,
  ProviderPayment,
  VerifiedWebhook,
} from "../../src/modules/payments/provider.ts";
import { openCustodian } from "../support/custodian-harness.ts";
import { accountFor, type Calls, createCalls, idOf } from "../support/provider-calls.ts";
import type { Harness } from "../support/provider-harness.ts";
import { openSandbox } from "../support/sandbox-harness.ts";
import { openStripe } from "../support/stripe-harness.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

/** All items of a list, one page after the other. */
async function pages<T>(
  read: (cursor: string | undefined) => Promise<Outcome<Page<T>>>,
): Promise<readonly T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    if (page.kind !== "succeeded") throw new Error(page.kind);
    items.push(...page.value.items);
    cursor = page.value.next;
  } while (cursor !== undefined);
  return items;
}

const harnesses: readonly { readonly name: string; readonly open: () => Promise<Harness> }[] = [
  { name: "sandbox", open: openSandbox },
  { name: "stripe", open: openStripe },
  { name: "custodian", open: openCustodian },
];

describe.each(harnesses)("payment provider: $name", ({ open }) => {
  let harness: Harness;
  let provider: Harness["provider"];
  let callFor: Calls["callFor"];
  let paid: Calls["paid"];

  beforeAll(async () => {
    harness = await open();
    provider = harness.provider;
    ({ callFor, paid } = createCalls(harness));
  });
  afterAll(() => harness.close());

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
    const seen: ProviderPayment[] = [];
    for (const part of harness.parts) {
      await harness.pay(objectId, part);
      const read = await provider.getPayment(objectId);
      if (read.kind !== "succeeded") throw new Error("not read");
      seen.push(read.value);
    }
    for (const short of seen.slice(0, -1)) expect(short.status).toBe("requires_payment");
    expect(seen[0]?.fee).toBeUndefined();
    await harness.goOn();
    const whole = await provider.getPayment(objectId);
    if (whole.kind !== "succeeded") throw new Error("not read");
    expect(whole.value.status).toBe("succeeded");
    expect(whole.value.deposits.map(({ amount }) => amount)).toEqual([...harness.parts]);
    expect(whole.value.deposits.slice(0, 1)).toEqual(seen[0]?.deposits.slice() ?? []);
    expect(whole.value.fee).toBe(329n);
  });

  test("a declined payment says why and takes another try", async () => {
    const created = await provider.createPayment(callFor());
    if (created.kind !== "succeeded") throw new Error(created.kind);
    await harness.decline(created.value.objectId);
    expect(await provider.getPayment(created.value.objectId)).toMatchObject({
      value: { status: "requires_payment", lastError: harness.declined },
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
    const escrowId = "esc_of_one_transfer";
    const { objectId } = await paid({ escrowId });
    const call = callFor({ escrowId, paymentRef: objectId, amount: "9950" });
    const first = await provider.createTransfer(call);
    if (first.kind !== "succeeded") throw new Error(first.kind);
    expect(await provider.createTransfer(call)).toEqual(first);
    await harness.goOn();
    const confirmed = await provider.getTransfer(first.value.objectId);
    expect(confirmed).toMatchObject({ value: { status: "succeeded" } });
    expect(await provider.findTransfer(call)).toEqual(confirmed);
    const other = callFor({ paymentRef: objectId });
    expect(await provider.findTransfer(other)).toMatchObject({ value: undefined });
  });

  test("pitfall 22: of two attempts each is found by its own key, and says which it is", async () => {
    const escrowId = "esc_of_two_attempts";
    const { objectId } = await paid({ escrowId });
    const parts = { escrowId, operationId: "op_twice", paymentRef: objectId, amount: "100" };
    const [first, second] = [callFor(parts, 1), callFor(parts, 2)];
    const made = idOf(await provider.createTransfer(first));
    const early = { objectId: made, operationId: "op_twice", attemptKey: "op_twice.1" };
    expect(await provider.findTransfer(second)).toMatchObject({ value: early });
    const again = idOf(await provider.createTransfer(second));
    expect(await provider.findTransfer(first)).toMatchObject({ value: early });
    expect(await provider.findTransfer(second)).toMatchObject({
      value: { objectId: again, attemptKey: "op_twice.2" },
    });
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

  test("pitfall 39: never more is transferred, or refunded, of a payment than came in", async () => {
    const { objectId } = await paid();
    const draw = (amount: string) => callFor({ paymentRef: objectId, amount });
    expect((await provider.createTransfer(draw("9950"))).kind).toBe("succeeded");
    const more = await provider.createTransfer(draw("371"));
    expect(more).toMatchObject({ kind: "refused", code: "PROVIDER_REFUSED" });
    // A refund does not undo a transfer: what stops both together is the ledger.
    const left = harness.onePool ? 370n : 10_320n;
    const refund = await provider.createRefund(draw((left + 1n).toString()));
    expect(refund).toMatchObject({ kind: "refused", code: "PROVIDER_REFUSED" });
    expect((await provider.createRefund(draw(left.toString()))).kind).toBe("succeeded");
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
    expect(await provider.findTransfer(call)).toMatchObject({ value: undefined });
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
    expect(await provider.findTransfer(call)).toMatchObject({ value: undefined });
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
    const { party, code } = await harness.failingRefund();
    const created = await provider.createPayment(callFor(party));
    const objectId = idOf(created);
    await harness.pay(objectId);
    const call = callFor({ ...party, paymentRef: objectId });
    const first = await provider.createRefund(call);
    if (first.kind !== "succeeded") throw new Error(first.kind);
    expect(first.value.status).toBe("pending");
    await harness.goOn();
    const read = await provider.getRefund(first.value.objectId);
    expect(read).toMatchObject({ value: { status: "failed", code } });
    expect(await provider.findRefund(call)).toEqual(read);
  });

  test("pitfall 23: webhooks verify on their exact bytes, also while a secret is changed", async () => {
    await harness.goOn();
    harness.webhooks();
    const { objectId } = await paid();
    const sent = harness.webhooks();
    const all = await Promise.all(
      sent.map(({ bytes, headers }) => provider.verifyWebhook(bytes, headers)),
    );
    expect(all.filter((verified) => "refused" in verified)).toEqual([]);
    const at = all.findIndex((each) => "type" in each && each.type === harness.paidType);
    const [webhook, verified] = [sent[at], all[at]];
    if (webhook === undefined) throw new Error("no webhook");
    expect(verified).toMatchObject({ objectId, livemode: false, account: "" });
    const changed = webhook.bytes.slice();
    changed[5] = (changed[5] ?? 0) ^ 1;
    const forged = { refused: "signature" } as const;
    expect(await provider.verifyWebhook(changed, webhook.headers)).toEqual(forged);
    expect(await provider.verifyWebhook(webhook.bytes, new Headers())).toEqual(forged);
    await harness.clock.advance(301_000);
    expect(await provider.verifyWebhook(webhook.bytes, webhook.headers)).toEqual({
      refused: "too_old",
    });
    // Of its age, too, only the one who signed it is told.
    expect(await provider.verifyWebhook(changed, webhook.headers)).toEqual(forged);
  });

  test("what is not there is refused as not found", async () => {
    for (const read of [provider.getPayment, provider.getTransfer, provider.getRefund]) {
      expect(await read("nothing")).toMatchObject({ kind: "refused", code: "NOT_FOUND" });
    }
  });

  test("pitfall 9: an account says whether its party can be paid", async () => {
    const opened = await provider.createAccount(accountFor("carol"));
    expect(idOf(await provider.createAccount(accountFor("carol")))).toBe(idOf(opened));
    await harness.makeReady(idOf(opened));
    expect(await provider.getAccount(idOf(opened))).toMatchObject({
      value: { status: "READY", requirementsDue: [] },
    });
    const pending = await provider.createAccount(accountFor(harness.names.unready));
    expect(pending).toMatchObject({ value: { status: "PENDING" } });
  });

  test("pitfall 26: what webhooks told can be listed, page after page, with the same ids", async () => {
    harness.webhooks();
    const from = harness.clock.now();
    await paid();
    await harness.clock.advance(1_000);
    const listed = await pages((cursor) =>
      provider.listEvents({ from, until: harness.clock.now(), cursor }),
    );
    const told: VerifiedWebhook[] = [];
    for (const { bytes, headers } of harness.webhooks()) {
      const verified = await provider.verifyWebhook(bytes, headers);
      if (!("refused" in verified)) told.push(verified);
    }
    const of = (webhooks: readonly VerifiedWebhook[]) =>
      webhooks
        .filter(({ type }) => type === harness.paidType)
        .map(({ eventId, objectId }) => ({ eventId, objectId }));
    expect(of(told).length).toBe(1);
    expect(of(listed)).toEqual(of(told));
  });

  test("every movement of our balance is listed once, with what it was for and its fee", async () => {
    // A second, so that nothing of the tests before lies in this window.
    await harness.clock.advance(2_000);
    const from = harness.clock.now();
    const { objectId } = await paid();
    const call = callFor({ paymentRef: objectId, amount: "9950" });
    const transfer = idOf(await provider.createTransfer(call));
    const refund = idOf(
      await provider.createRefund({ ...callFor({ paymentRef: objectId, amount: "370" }) }),
    );
    await harness.goOn();
    await harness.clock.advance(1_000);
    const listed = await pages((cursor) =>
      provider.listMovements({ from, until: harness.clock.now(), cursor }),
    );
    expect(new Set(listed.map(({ movementId }) => movementId)).size).toBe(listed.length);
    const total = (id: string) => ({
      amount: listed.reduce((sum, line) => (line.objectId === id ? sum + line.amount : sum), 0n),
      fee: listed.reduce((sum, line) => (line.objectId === id ? sum + line.fee : sum), 0n),
    });
    expect(total(objectId)).toEqual({ amount: 10_320n, fee: 329n });
    expect(total(transfer)).toEqual({ amount: -9_950n, fee: 0n });
    expect(total(refund)).toEqual({ amount: -370n, fee: 0n });
    expect(listed.map(({ currency, exchanged }) => ({ currency, exchanged }))).toEqual(
      listed.map(() => ({ currency: "USD", exchanged: false })),
    );
  });
});
