/**
 * What a provider with banks behind it promises beyond its own calls: reversals, disputes, fears of
 * fraud, payouts, and what people do on its own pages. Read by the ids that its webhooks name.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { ForeignObject, ProviderDispute } from "../../src/modules/payments/provider.ts";
import { accountFor, type Calls, createCalls, idOf } from "../support/provider-calls.ts";
import type { BankHarness, SellerAccount } from "../support/provider-harness.ts";
import { openSandbox } from "../support/sandbox-harness.ts";
import { openStripe } from "../support/stripe-harness.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

const harnesses: readonly { readonly name: string; readonly open: () => Promise<BankHarness> }[] = [
  { name: "sandbox", open: openSandbox },
  { name: "stripe", open: openStripe },
];

describe.each(harnesses)("a provider with banks: $name", ({ open }) => {
  let harness: BankHarness;
  let provider: BankHarness["provider"];
  let callFor: Calls["callFor"];
  let paid: Calls["paid"];

  beforeAll(async () => {
    harness = await open();
    provider = harness.provider;
    ({ callFor, paid } = createCalls(harness));
  });
  afterAll(() => harness.close());

  /** A seller of this test alone, with an account that is ready. */
  async function ownSeller(sellerId: string): Promise<SellerAccount> {
    const accountId = idOf(await provider.createAccount(accountFor(sellerId)));
    await harness.makeReady(accountId);
    await harness.goOn();
    return { sellerId, accountId };
  }

  /** What webhooks since the last look lead to that no call of ours made. */
  async function foreign(): Promise<readonly ForeignObject[]> {
    await harness.goOn();
    const found: ForeignObject[] = [];
    for (const { bytes, headers } of harness.webhooks()) {
      const webhook = await provider.verifyWebhook(bytes, headers);
      if ("refused" in webhook) throw new Error("not verified");
      const read = await provider.getForeign(webhook.objectId, webhook.account);
      if (read.kind !== "succeeded") throw new Error(read.kind);
      if (read.value !== undefined) found.push(read.value);
    }
    return found;
  }

  async function disputed(disputeId: string): Promise<ProviderDispute> {
    const read = await provider.getForeign(disputeId, "");
    if (read.kind !== "succeeded" || read.value?.kind !== "dispute") throw new Error("no dispute");
    return read.value;
  }

  test("pitfall 15: a reversal takes back what the seller's account has, once per key", async () => {
    const seller = await ownSeller("rita");
    const { sellerId, accountId: target } = seller;
    const escrowId = "esc_of_rita";
    const { objectId: paymentRef } = await paid({ escrowId, sellerId });
    const sent = callFor({ escrowId, sellerId, target, paymentRef, amount: "9950" });
    const transfer = idOf(await provider.createTransfer(sent));
    await harness.goOn();
    const back = (amount: string) =>
      callFor({ escrowId, sellerId, target: transfer, paymentRef, amount });
    const call = back("6000");
    const first = await provider.createReversal(call);
    const { operationId } = call.request;
    expect(first).toMatchObject({
      value: { kind: "reversal", operationId, status: "succeeded", amount: 6_000n },
    });
    expect(await provider.createReversal(call)).toEqual(first);
    expect(await provider.getReversal(idOf(first))).toEqual(first);
    expect(await provider.findReversal(call)).toEqual(first);
    expect(await provider.createReversal(back("3951"))).toMatchObject({ kind: "refused" });
    await harness.world.payOut(seller, "paid");
    const short = { kind: "refused", code: "BALANCE_TOO_SMALL" };
    expect(await provider.createReversal(back("3950"))).toMatchObject(short);
    expect(await provider.findReversal(back("1"))).toMatchObject({ value: undefined });
  });

  test("R3: what a seller is owed comes out of the platform's balance, once per key", async () => {
    const { sellerId, accountId: target } = await ownSeller("rosa");
    await paid({ escrowId: "esc_of_another" });
    const call = callFor({
      escrowId: "esc_of_rosa",
      sellerId,
      target,
      paymentRef: "",
      amount: "9000",
    });
    const first = idOf(await provider.createTransfer(call));
    expect(idOf(await provider.createTransfer(call))).toBe(first);
    const found = await provider.findTransfer(call);
    expect(found).toMatchObject({ value: { objectId: first } });
  });

  test("pitfall 16: a dispute says how it stands, and apart from that what has moved", async () => {
    const { objectId } = await paid();
    harness.webhooks();
    const id = await harness.world.dispute(objectId, { inquiry: true });
    expect(await foreign()).toContainEqual(await disputed(id));
    expect(await disputed(id)).toMatchObject({
      paymentRef: objectId,
      status: "inquiry",
      amount: 10_320n,
      currency: "USD",
      movements: [],
    });
    await harness.world.escalate(id);
    const open = await disputed(id);
    const taken = { direction: "taken", amount: 10_320n, fee: 1_500n };
    expect(open).toMatchObject({ status: "open", movements: [taken] });
    expect(open.evidenceDueBy?.getTime()).toBeGreaterThan(harness.clock.now().getTime());
    await harness.world.closeDispute(id, "won");
    const won = await disputed(id);
    const back = { direction: "reinstated", amount: 10_320n };
    expect(won).toMatchObject({ status: "won", movements: [taken, back] });
    expect(won.movements[0]).toEqual(open.movements[0] ?? won.movements[1]);
    expect(new Set(won.movements.map(({ movementId }) => movementId)).size).toBe(2);
  });

  test("pitfall 16: a bank may take a part and keep it", async () => {
    const { objectId } = await paid();
    const id = await harness.world.dispute(objectId, { amount: 4_000n });
    await harness.world.closeDispute(id, "lost");
    expect(await disputed(id)).toMatchObject({
      status: "lost",
      amount: 4_000n,
      movements: [{ direction: "taken", amount: 4_000n }],
    });
  });

  test("a fear of fraud is told, and nothing has moved", async () => {
    const { objectId } = await paid();
    harness.webhooks();
    const warning = await harness.world.warn(objectId);
    expect(await foreign()).toContainEqual({
      kind: "warning",
      objectId: warning,
      paymentRef: objectId,
      open: true,
    });
  });

  test("a refund made elsewhere is told apart from one of ours", async () => {
    const { objectId } = await paid();
    harness.webhooks();
    expect(
      (await provider.createRefund(callFor({ paymentRef: objectId, amount: "20" }))).kind,
    ).toBe("succeeded");
    expect(await foreign()).toEqual([]);
    await harness.world.refundElsewhere(objectId, 300n);
    const [seen] = await foreign();
    expect(seen).toMatchObject({
      kind: "foreign",
      movement: "refund",
      paymentRef: objectId,
      amount: 300n,
      currency: "USD",
    });
  });

  test("pitfall 11: a payout that the seller's bank refused is told with its account", async () => {
    const seller = await ownSeller("pia");
    const { sellerId, accountId: target } = seller;
    const { objectId: paymentRef } = await paid({ sellerId });
    await provider.createTransfer(callFor({ sellerId, target, paymentRef, amount: "9950" }));
    await harness.goOn();
    harness.webhooks();
    await harness.world.payOut(seller, "failed");
    const payouts = (await foreign()).filter(({ kind }) => kind === "payout");
    expect(payouts.at(-1)).toMatchObject({
      status: "failed",
      account: target,
      amount: 9_950n,
      currency: "USD",
      code: "account_closed",
    });
  });
});
