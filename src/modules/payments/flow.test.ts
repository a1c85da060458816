/** The way of money through payments and the sandbox: what is said, what is booked, what is asked. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { CancelPaymentSchema, RetryOperationSchema } from "#gen/payments/v1/commands_pb";
import { type Event, EventSchema } from "#gen/payments/v1/events_pb";
import type { Database } from "#platform/database/database";
import {
  commandFor,
  namesOf,
  type PaymentsWorld,
  refund,
  transfer,
} from "../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../test/support/payments-deals.ts";
import { addFunds, type Change, type Funds, noFunds } from "./domain/funds.ts";
import { verifyLedger } from "./ledger/verify.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

let db: Database;
let world: PaymentsWorld;
let deals: Deals;

beforeAll(async () => {
  ({ db, world, deals } = await openDeals());
});
afterAll(async () => {
  const { violations } = await verifyLedger(db);
  expect(violations).toEqual([]);
  await db.close();
});

/** What the escrow module counts: its own reservations, and the changes it is told. */
function escrowCounts(events: readonly Event[], ...reserved: Change[]): Funds {
  const changes = events.flatMap(({ change }) => (change === undefined ? [] : [change as Change]));
  const start = changes.slice(0, 2).reduce(addFunds, noFunds);
  return [...reserved, ...changes.slice(2)].reduce(addFunds, start);
}

describe("funding", () => {
  test("a paid payment is held, its fee kept, and the provider's fee booked later", async () => {
    const escrowId = await deals.funded();
    expect(namesOf(await world.events(escrowId))).toEqual([
      "paymentIntentCreated",
      "depositReceived",
      "paymentSucceeded",
    ]);
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", held: "10000", fees: "320" });
    const ledger = await world.call("GET", `/v1/escrows/${escrowId}/ledger`, {
      as: "root",
      roles: ["admin"],
    });
    expect(((await ledger.json()) as { balances: unknown }).balances).toMatchObject({
      "clearing:sandbox": "9991",
      "platform:provider_fees": "329",
      [`escrow:${escrowId}:held`]: "10000",
    });
  });

  test("the events are numbered without a gap", async () => {
    const events = await world.events(await deals.funded());
    expect(events.map(({ version }) => version)).toEqual(
      events.map((_, index) => BigInt(index + 1)),
    );
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
  });

  test("pitfall 17: a sum above the largest deal fits the events that say it", async () => {
    const escrowId = await deals.funded();
    for (let deposit = 0; deposit < 2; deposit += 1) {
      await deals.pay(escrowId, { amount: "1000000000000000" });
    }
    await world.settle();
    expect(await world.funds(escrowId)).toMatchObject({ refunded: "2000000000000000" });
    const validator = createValidator();
    const verdicts = (await world.events(escrowId)).map(
      (event) => validator.validate(EventSchema, event).kind,
    );
    expect(new Set(verdicts)).toEqual(new Set(["valid"]));
  });

  test("M4, pitfall 38: short waits for the rest; what is too much goes back", async () => {
    const escrowId = await deals.open();
    await deals.pay(escrowId, { amount: "6000" });
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({ funded: "6000", pending: "6000" });
    await deals.pay(escrowId, { amount: "4820" });
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({
      funded: "10820",
      held: "10000",
      fees: "320",
      refunded: "500",
    });
    expect(namesOf(await world.events(escrowId))).toEqual([
      "paymentIntentCreated",
      "depositReceived",
      "paymentPartiallyReceived",
      "depositReceived",
      "paymentSucceeded",
      "refundSucceeded",
    ]);
  });

  test("L4: money for a cancelled payment goes back in full", async () => {
    const escrowId = await deals.open();
    const value = create(CancelPaymentSchema, { reason: "cancelled" });
    await world.handle(commandFor(escrowId, { case: "cancelPayment", value }));
    await world.settle();
    expect(namesOf(await world.events(escrowId))).toContain("paymentCancelled");
    await deals.pay(escrowId);
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", refunded: "10320" });
    const events = await world.events(escrowId);
    expect(namesOf(events)).not.toContain("paymentSucceeded");
    expect(escrowCounts(events)).toMatchObject({ refunded: 10_320n, pending: 0n, reserved: 0n });
  });

  test("a cancellation on its way when the payment completes keeps the money held for a refund", async () => {
    const escrowId = await deals.open();
    await deals.pay(escrowId);
    await world.settle();
    const value = create(CancelPaymentSchema, {});
    await world.handle(commandFor(escrowId, { case: "cancelPayment", value }));
    await world.settle();
    expect(await world.funds(escrowId)).toMatchObject({ held: "10000", fees: "320" });
    await world.handle(refund(escrowId, `full-${escrowId}`));
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", refunded: "10320" });
  });

  test("a decline is said once and the buyer may pay again", async () => {
    const escrowId = await deals.open();
    await deals.pay(escrowId, { outcome: "decline" });
    await world.settle();
    await deals.pay(escrowId, { outcome: "processing" });
    await world.settle();
    await deals.pay(escrowId);
    await world.settle();
    expect(namesOf(await world.events(escrowId))).toEqual([
      "paymentIntentCreated",
      "paymentFailed",
      "paymentProcessing",
      "depositReceived",
      "paymentSucceeded",
    ]);
  });
});

describe("release", () => {
  test("a transfer is asked once, confirmed by webhook, and both sides count the same", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, `rel-${escrowId}`));
    expect(await world.funds(escrowId)).toMatchObject({ reserved: "10000" });
    await world.settle();
    const expected = { funded: "10320", released: "9950", fees: "370" };
    expect(await world.funds(escrowId)).toEqual(expected);
    const events = await world.events(escrowId);
    const counted = escrowCounts(events, { held: -10_000n, reserved: 10_000n });
    expect(counted).toMatchObject({ released: 9_950n, fees: 370n, held: 0n, reserved: 0n });
  });

  test("I1, pitfall 19: the same command twice reserves once, in one batch and in two", async () => {
    const escrowId = await deals.funded();
    const commandId = "a".repeat(64);
    const command = transfer(escrowId, `rel-${escrowId}`, 4_000n, { commandId });
    await world.handle(command, command);
    await world.handle(command);
    await world.settle();
    expect(await world.funds(escrowId)).toMatchObject({ held: "6000", released: "3950" });
    expect(await deals.transfersOf(escrowId)).toBe(1n);
  });

  test("an operation id is final: another command with it moves nothing", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, `rel-${escrowId}`, 4_000n));
    await world.handle(transfer(escrowId, `rel-${escrowId}`, 4_000n));
    await world.settle();
    expect(await world.funds(escrowId)).toMatchObject({ held: "6000", released: "3950" });
  });

  test("M2, pitfall 2: parallel partial releases never exceed what is held", async () => {
    const escrowId = await deals.funded();
    const commands = Array.from({ length: 8 }, (_, index) =>
      transfer(escrowId, `part-${escrowId}-${index}`, 3_000n, { fee: 0n }),
    );
    await world.handle(...commands);
    await world.settle();
    expect(await world.funds(escrowId)).toMatchObject({ held: "1000", released: "9000" });
    const events = await world.events(escrowId);
    const refusals = events.filter(({ body }) => body.case === "transferRejected");
    expect(refusals).toHaveLength(5);
    expect(refusals[0]?.change).toMatchObject({ held: 3_000n, reserved: -3_000n });
  });

  test("pitfall 9: a seller who is not ready is told, and resumed when he is", async () => {
    const seller = `sam_unready`;
    const escrowId = await deals.funded({ sellerId: seller });
    await world.handle(transfer(escrowId, `rel-${escrowId}`, 10_000n, { sellerId: seller }));
    await world.settle();
    const [rejected] = (await world.events(escrowId)).filter(
      ({ body }) => body.case === "transferRejected",
    );
    expect(rejected?.body.value).toMatchObject({ code: "SELLER_NOT_READY" });
    expect(await world.funds(escrowId)).toMatchObject({ held: "10000" });

    const path = `/v1/parties/${seller}/payout-methods`;
    const made = await world.call("POST", path, { as: seller, body: { provider: "sandbox" } });
    expect(made.status).toBe(201);
    expect(await made.json()).toMatchObject({ status: "PENDING" });
    await world.settle();
    expect(namesOf(await world.events(escrowId))).not.toContain("sellerReadinessChanged");
    const body = { ready: true };
    await world.call("POST", `/sandbox/parties/${seller}/readiness`, { as: seller, body });
    await world.settle();
    expect(namesOf(await world.events(escrowId)).at(-1)).toBe("sellerReadinessChanged");
    await world.handle(transfer(escrowId, `again-${escrowId}`, 10_000n, { sellerId: seller }));
    await world.settle();
    expect(await world.funds(escrowId)).toMatchObject({ released: "9950" });
  });

  test("a refused transfer is undone by its mirror", async () => {
    const seller = "mallory_refused";
    const escrowId = await deals.funded({ sellerId: seller });
    await world.handle(transfer(escrowId, `rel-${escrowId}`, 10_000n, { sellerId: seller }));
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", held: "10000", fees: "320" });
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({ state: "REJECTED" });
  });

  test("a locked payment refuses, and the gate holds back what was accepted before the lock", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, `first-${escrowId}`, 1_000n));
    await db.sql`UPDATE payments.payment SET frozen = true WHERE escrow_id = ${escrowId}`;
    await world.handle(transfer(escrowId, `second-${escrowId}`, 1_000n));
    await world.settle();
    expect(await deals.operation(`second-${escrowId}`)).toMatchObject({
      state: "REJECTED",
      code: "LOCKED",
    });
    expect(await deals.operation(`first-${escrowId}`)).toMatchObject({ state: "READY", tries: 0 });
    await db.sql`UPDATE payments.payment SET frozen = false WHERE escrow_id = ${escrowId}`;
    await world.clock.advance(61_000);
    await world.settle();
    expect(await deals.operation(`first-${escrowId}`)).toMatchObject({ state: "SUCCEEDED" });
  });
});

describe("refund", () => {
  test("a refund gives the fee back", async () => {
    const escrowId = await deals.funded();
    await world.handle(refund(escrowId, `ref-${escrowId}`));
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", refunded: "10320" });
  });

  test("R1, pitfalls 14 and 22: a failed refund stays owed until an operator lets it try again", async () => {
    const escrowId = await deals.funded({ buyerId: "carl_refundfails" });
    await world.handle(refund(escrowId, `ref-${escrowId}`));
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", reserved: "10320" });
    expect(await deals.operation(`ref-${escrowId}`)).toMatchObject({ state: "FAILED" });
    const value = create(RetryOperationSchema, { operationId: `ref-${escrowId}` });
    const body = { case: "retryOperation", value } as const;
    await world.handle(commandFor(escrowId, body));
    expect(await deals.operation(`ref-${escrowId}`)).toMatchObject({ state: "FAILED" });
    await world.handle(commandFor(escrowId, body, { actor: { id: "root", roles: ["admin"] } }));
    await world.settle();
    expect(await deals.operation(`ref-${escrowId}`)).toMatchObject({
      state: "SUCCEEDED",
      attempt: 2,
    });
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", refunded: "10320" });
  });

  test("a refund that comes back after it was confirmed is owed again", async () => {
    const escrowId = await deals.funded({ buyerId: "dora_refundreturns" });
    await world.handle(refund(escrowId, `ref-${escrowId}`));
    await world.settle();
    expect(await world.funds(escrowId)).toMatchObject({ refunded: "10320" });
    await world.clock.advance(1_000);
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", reserved: "10320" });
    const failed = (await world.events(escrowId)).find(({ body }) => body.case === "refundFailed");
    expect(failed?.body.value).toMatchObject({ afterConfirmation: true });
  });
});
