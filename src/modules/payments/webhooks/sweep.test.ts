import { afterEach, beforeEach, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/payments/v1/webhooks_pb";
import type { Database } from "#platform/database/database";
import { type PaymentsWorld, transfer } from "../../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../../test/support/payments-deals.ts";

let db: Database;
let world: PaymentsWorld;
let deals: Deals;

beforeEach(async () => {
  ({ db, world, deals } = await openDeals());
});
afterEach(async () => {
  await db.close();
});

async function swept(): Promise<WebhookReceived[]> {
  const rows = await db.sql<{ payload: Uint8Array }>`
    DELETE FROM payments.outbox WHERE aggregatetype = 'webhook.events.v1' RETURNING payload`;
  return rows.map(({ payload }) => fromBinary(WebhookReceivedSchema, payload));
}

/** What the relay would do: the sweep's finds reach the handler by their topic. */
async function relay(webhooks: readonly WebhookReceived[]): Promise<void> {
  world.inbox.push(
    ...webhooks.map((message) => ({
      topic: { name: "webhook.events.v1" } as never,
      message,
      correlationId: message.correlationId,
      causationId: "",
    })),
  );
  await world.settle();
}

test("P8, pitfall 26: an hour of lost webhooks is found by one sweep, and nothing happens twice", async () => {
  const [told, lost] = [await deals.funded(), await deals.open()];
  await deals.pay(lost);
  await world.handle(transfer(told, "rel-1"));
  await world.worker("payments.operations.sandbox").step();
  // The endpoint is down: what the provider sends meanwhile arrives nowhere.
  for (let round = 0; round < 10; round += 1) {
    await world.worker("payments.sandbox").step();
    world.inbox.splice(0);
    await db.sql`DELETE FROM sandbox.delivery`;
  }
  await db.sql`UPDATE payments.provider_object SET sync_due_at = NULL`;
  expect(await world.funds(lost)).toEqual({});
  await world.clock.advance(3_600_000);
  await world.worker("payments.sweep").step();
  const found = await swept();
  expect(found.length).toBeGreaterThanOrEqual(3);
  expect(found.every(({ swept: flag, provider }) => flag && provider === "sandbox")).toBe(true);
  await relay([...found, ...found]);
  expect(await world.funds(lost)).toMatchObject({ held: "10000", fees: "320" });
  expect(await world.funds(told)).toMatchObject({ released: "9950" });
  expect(await deals.operation("rel-1")).toMatchObject({ state: "SUCCEEDED" });
  // Neither a sweep over what arrived nor a late delivery has any effect.
  await world.clock.advance(180_000);
  await deals.funded();
  await world.clock.advance(121_000);
  await world.worker("payments.sweep").step();
  expect(await swept()).toEqual([]);
  const before = (await world.events(lost)).length;
  await relay(found);
  expect((await world.events(lost)).length).toBe(before);
});

test("B15: an event that cannot be kept hides none beside it", async () => {
  await deals.funded();
  await world.settle();
  await db.sql`DELETE FROM payments.webhook`;
  const long = "x".repeat(256);
  await db.sql`UPDATE sandbox.event SET event_id = ${long}
    WHERE event_no = (SELECT min(event_no) FROM sandbox.event)`;
  await world.clock.advance(301_000);
  await world.worker("payments.sweep").step();
  const found = await swept();
  expect(found.length).toBeGreaterThan(0);
  expect(found.map(({ eventId }) => eventId)).not.toContain(long);
});

test("a list that cannot be read keeps the mark where it was", async () => {
  const escrowId = await deals.funded();
  await world.settle();
  await db.sql`DELETE FROM payments.webhook`;
  await db.sql`ALTER TABLE sandbox.event RENAME TO event_away`;
  await world.clock.advance(301_000);
  const failing = world.worker("payments.sweep").step();
  await failing.then(
    () => expect.unreachable(),
    () => undefined,
  );
  await db.sql`ALTER TABLE sandbox.event_away RENAME TO event`;
  await world.clock.advance(301_000);
  await world.worker("payments.sweep").step();
  expect((await swept()).length).toBeGreaterThan(0);
  expect(await world.funds(escrowId)).toMatchObject({ held: "10000" });
});
