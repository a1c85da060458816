/**
 * Disputes at the seams, on a database: money under way when the bank comes, webhooks before there is
 * anything to match them, the same news twice.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Database } from "#platform/database/database";
import {
  namesOf,
  type PaymentsWorld,
  refund,
  transfer,
} from "../../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../../test/support/payments-deals.ts";
import { verifyLedger } from "../ledger/verify.ts";
import { checkDisputes } from "../proof/check-disputes.ts";

let db: Database;
let world: PaymentsWorld;
let deals: Deals;
beforeAll(async () => {
  ({ db, world, deals } = await openDeals());
});
afterAll(async () => {
  expect((await verifyLedger(db)).violations).toEqual([]);
  expect(await checkDisputes(db)).not.toHaveProperty("detail");
  await db.close();
});

const hourMs = 3_600_000;

async function dispute(escrowId: string, body: object = {}): Promise<string> {
  const [row] = await db.sql<{ payment_id: string }>`
    SELECT payment_id FROM payments.payment WHERE escrow_id = ${escrowId}`;
  const path = `/sandbox/payments/${row?.payment_id}/dispute`;
  const answer = await world.call("POST", path, { as: "root", roles: ["admin"], body });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { disputeId: string }).disputeId;
}

async function close(disputeId: string, outcome: string): Promise<void> {
  const path = `/sandbox/disputes/${disputeId}/close`;
  await world.call("POST", path, { as: "root", roles: ["admin"], body: { outcome } });
  await world.settle();
}

/** The provider takes its time to confirm, and then says this. */
async function confirmLater(operationId: string, status: string): Promise<void> {
  await world.worker("payments.operations.sandbox").step();
  await db.sql`
    UPDATE sandbox.object SET next_status = ${status},
      next_at = ${new Date(world.clock.now().getTime() + hourMs)}
    WHERE operation_id = ${operationId}`;
}

async function anHourLater(): Promise<void> {
  await world.clock.advance(hourMs);
  await world.settle();
}

async function row(disputeId: string) {
  const [found] = await db.sql<Record<string, unknown>>`
    SELECT open, debt, losses, fees + pending + held AS "fromEscrow", lock
    FROM payments.dispute WHERE dispute_id = ${disputeId}`;
  return found;
}

describe("story 8b: the bank comes while a transfer is under way", () => {
  test("R3: it was sent and succeeds: its share waits, then the seller owes it", async () => {
    const escrowId = await deals.funded({ sellerId: "rosa" });
    await world.handle(transfer(escrowId, "t-crossed", 10_000n, { sellerId: "rosa" }));
    await confirmLater("t-crossed", "succeeded");
    const disputeId = await dispute(escrowId);
    await world.settle();
    expect(await row(disputeId)).toMatchObject({ open: 10_000n, fromEscrow: 320n });
    expect(await world.funds(escrowId)).toMatchObject({ reserved: "10000", charged_back: "320" });
    await close(disputeId, "lost");
    expect(await row(disputeId)).toMatchObject({ open: 10_000n, lock: "CHARGEBACK" });
    await anHourLater();
    expect(await row(disputeId)).toMatchObject({
      open: 0n,
      debt: 9_950n,
      losses: 50n,
      lock: "NONE",
    });
    expect(await world.funds(escrowId)).toEqual({
      funded: "10320",
      released: "9950",
      fees: "50",
      charged_back: "320",
    });
  });

  test("R3: it was sent and fails: the bank's share is what it had reserved", async () => {
    const escrowId = await deals.funded({ sellerId: "sara" });
    await world.handle(transfer(escrowId, "t-failed", 10_000n, { sellerId: "sara" }));
    await confirmLater("t-failed", "failed");
    const disputeId = await dispute(escrowId);
    await world.settle();
    await anHourLater();
    expect(await row(disputeId)).toMatchObject({ open: 0n, debt: 0n, fromEscrow: 10_320n });
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", charged_back: "10320" });
    await close(disputeId, "won");
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", held: "10000", fees: "320" });
  });

  test("R2: it was not sent: withdrawn, and no call is ever made", async () => {
    const escrowId = await deals.funded({ sellerId: "tina" });
    const disputeId = await dispute(escrowId);
    await world.worker("payments.sandbox").step();
    await world.handle(transfer(escrowId, "t-unsent", 10_000n, { sellerId: "tina" }));
    await world.takeWebhooks();
    await world.worker("payments.sync.sandbox").step();
    await world.settle();
    expect(await deals.operation("t-unsent")).toMatchObject({ state: "REJECTED", code: "LOCKED" });
    expect(await deals.transfersOf(escrowId)).toBe(0n);
    expect(await row(disputeId)).toMatchObject({ open: 0n, fromEscrow: 10_320n });
    const names = namesOf(await world.events(escrowId));
    expect(names.slice(-2)).toEqual(["chargebackOpened", "transferRejected"]);
  });

  test("R3, pitfall 20: a call whose answer was lost is looked up, not sent again", async () => {
    const escrowId = await deals.funded({ sellerId: "uma_timeout" });
    await world.handle(transfer(escrowId, "t-lost", 10_000n, { sellerId: "uma_timeout" }));
    await confirmLater("t-lost", "succeeded");
    expect(await deals.operation("t-lost")).toMatchObject({ state: "UNKNOWN" });
    const disputeId = await dispute(escrowId);
    await world.settle();
    expect(await deals.operation("t-lost")).toMatchObject({ state: "PENDING", tries: 1 });
    await anHourLater();
    expect(await row(disputeId)).toMatchObject({ open: 0n, debt: 9_950n });
    expect(await deals.transfersOf(escrowId)).toBe(1n);
  });

  test("R1, pitfall 14: a refund under way that the dispute makes fail goes back to held", async () => {
    const escrowId = await deals.funded();
    await world.handle(refund(escrowId, "r-crossed", 4_000n, 128n));
    await confirmLater("r-crossed", "failed");
    const disputeId = await dispute(escrowId);
    await world.settle();
    expect(await row(disputeId)).toMatchObject({ open: 4_128n });
    await anHourLater();
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", charged_back: "10320" });
    const last = (await world.events(escrowId)).findLast(
      ({ body }) => body.case === "refundFailed",
    );
    expect(last?.body.value).toMatchObject({ returnedToHeld: true });
  });
});

describe("webhooks", () => {
  test("pitfall 25: one about an object whose payment is not known yet waits and is not dropped", async () => {
    const escrowId = await deals.funded();
    // Our record of the payment is gone for a while, as if its call were still under way.
    const [object] = await db.sql<{ object_id: string }>`
      UPDATE payments.provider_object SET kind = 'unmatched'
      WHERE escrow_id = ${escrowId} AND kind = 'payment' RETURNING object_id`;
    const disputeId = await dispute(escrowId);
    await world.settle();
    expect(await row(disputeId)).toBeUndefined();
    const waiting = await db.sql`
      SELECT matched FROM payments.webhook WHERE object_id = ${disputeId}`;
    expect(waiting).toEqual([{ matched: false }]);
    await db.sql`
      UPDATE payments.provider_object SET kind = 'payment', sync_due_at = NULL
      WHERE object_id = ${object?.object_id ?? ""}`;
    await anHourLater();
    expect(await row(disputeId)).toMatchObject({ fromEscrow: 10_320n, lock: "CHARGEBACK" });
    const matched = await db.sql`
      SELECT matched FROM payments.webhook WHERE object_id = ${disputeId}`;
    expect(matched).toEqual([{ matched: true }]);
  });

  test("pitfall 24: three times the same and read ten times more, booked once", async () => {
    const escrowId = await deals.funded({ buyerId: "alice_duplicate" });
    const disputeId = await dispute(escrowId, { amount: "4000" });
    await world.settle();
    for (let time = 0; time < 10; time += 1) {
      await db.sql`
        UPDATE payments.provider_object SET sync_due_at = ${world.clock.now()}
        WHERE object_id = ${disputeId}`;
      await world.settle();
    }
    expect(await world.funds(escrowId)).toMatchObject({ charged_back: "4000", held: "6124" });
    const fees = await db.sql`
      SELECT sum(amount)::bigint AS fee FROM payments.entry e JOIN payments.ledger_transaction t
      USING (escrow_no, number) WHERE t.reference = ${disputeId} AND account = 'provider_fees'`;
    expect(fees).toEqual([{ fee: 1_500n }]);
  });

  test("an object of nobody is asked for later and later, and stops no one", async () => {
    const escrowId = await deals.funded();
    await db.sql`
      INSERT INTO payments.provider_object (provider, object_id, kind, sync_due_at)
      VALUES ('sandbox', 'nobodys', 'unmatched', ${world.clock.now()})`;
    await world.settle();
    const [there] = await db.sql<{ sync_due_at: Date; kind: string }>`
      SELECT sync_due_at, kind FROM payments.provider_object WHERE object_id = 'nobodys'`;
    expect(there?.kind).toBe("unmatched");
    expect(there?.sync_due_at.getTime()).toBeGreaterThan(world.clock.now().getTime());
    expect(await world.funds(escrowId)).toMatchObject({ held: "10000" });
  });
});
