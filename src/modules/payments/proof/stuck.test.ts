/** What cannot be recorded stops only itself, is shown to a person, and is not forgotten. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { RetryOperationSchema } from "#gen/payments/v1/commands_pb";
import type { Database } from "#platform/database/database";
import { commandFor, type PaymentsWorld, transfer } from "../../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../../test/support/payments-deals.ts";
import { verifyLedger } from "../ledger/verify.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

const patienceMs = 60_000;
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

/** The database refuses what is said of the escrow until the returned function is called. */
async function refuse(escrowId: string): Promise<() => Promise<void>> {
  await db.withTx((tx) =>
    tx.script(`
      CREATE FUNCTION payments.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.escrow_id = '${escrowId}' THEN
          RAISE EXCEPTION 'refused' USING ERRCODE = '23514';
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON payments.history
        FOR EACH ROW EXECUTE FUNCTION payments.refuse();`),
  );
  return () =>
    db.withTx((tx) =>
      tx.script("DROP TRIGGER refuse ON payments.history; DROP FUNCTION payments.refuse()"),
    );
}

/** The webhooks have come; nothing was read yet. */
async function paid(...escrowIds: string[]): Promise<void> {
  for (const escrowId of escrowIds) await deals.pay(escrowId);
  while ((await world.worker("payments.sandbox").step()) === "worked");
  await world.takeWebhooks();
}

test("a read the database refuses leaves its neighbours alone, and is done when it can be", async () => {
  const [bad, good] = [await deals.open(), await deals.open()];
  await paid(bad, good);
  const allow = await refuse(bad);
  await world.settle();
  expect(await world.funds(good)).toMatchObject({ held: "10000" });
  expect(await world.funds(bad)).toEqual({});
  const stuck = await world.payments.stuck(patienceMs);
  expect(stuck).toEqual([
    expect.stringMatching(/^object sbx_pay_\w+ of sandbox cannot be recorded/),
  ]);
  const listed = await world.call("GET", "/v1/work-items", { as: "root", roles: ["admin"] });
  expect(((await listed.json()) as { items: object[] }).items).toMatchObject([
    { kind: "OBJECT_UNREADABLE", escrowId: bad, provider: "sandbox" },
  ]);
  await world.clock.advance(601_000);
  await world.settle();
  const [object] = await db.sql<{ failures: number }>`
    SELECT failures FROM payments.provider_object WHERE escrow_id = ${bad}`;
  expect(object).toEqual({ failures: 2 });
  await allow();
  await world.clock.advance(1_201_000);
  await world.settle();
  expect(await world.funds(bad)).toMatchObject({ held: "10000" });
  expect(await world.payments.stuck(patienceMs)).toEqual([]);
});

test("a state that makes no sense is shown to a person and read again", async () => {
  const [bad, good] = [await deals.open(), await deals.open()];
  const deposits = (amount: string) =>
    JSON.stringify({ deposits: [{ depositId: `dep_${bad}`, amount, currency: "USD" }] });
  const say = (amount: string) => db.sql`
    UPDATE sandbox.object SET details = ${deposits(amount)}::jsonb, status = 'succeeded'
    WHERE group_id = ${bad} AND kind = 'payment'`;
  await say("-5");
  await db.sql`
    UPDATE payments.provider_object SET sync_due_at = ${world.clock.now()} WHERE escrow_id = ${bad}`;
  await paid(good);
  await world.settle();
  expect(await world.funds(good)).toMatchObject({ held: "10000" });
  expect(await world.payments.stuck(patienceMs)).toHaveLength(1);
  await say("10320");
  await world.clock.advance(601_000);
  await world.settle();
  expect(await world.funds(bad)).toMatchObject({ held: "10000" });
  expect(await world.payments.stuck(patienceMs)).toEqual([]);
});

test("an answer the database refuses waits for a person, its neighbours' are recorded", async () => {
  const [bad, good] = [await deals.funded(), await deals.funded()];
  await world.handle(transfer(bad, `rel-${bad}`), transfer(good, `rel-${good}`));
  const allow = await refuse(bad);
  await world.settle();
  expect(await world.funds(good)).toMatchObject({ released: "9950" });
  expect(await deals.operation(`rel-${bad}`)).toMatchObject({ state: "PERSON" });
  expect(await world.payments.stuck(patienceMs)).toEqual([
    `operation rel-${bad} of ${bad} waits for a person`,
  ]);
  await allow();
  const value = create(RetryOperationSchema, { operationId: `rel-${bad}` });
  const actor = { id: "root", roles: ["admin"] };
  await world.handle(commandFor(bad, { case: "retryOperation", value }, { actor }));
  await world.settle();
  expect(await deals.operation(`rel-${bad}`)).toMatchObject({ state: "SUCCEEDED", attempt: 1 });
  expect(await deals.transfersOf(bad)).toBe(1n);
  expect(await world.payments.stuck(patienceMs)).toEqual([]);
});

test("what is due and is not done in time is named", async () => {
  const escrowId = await deals.funded();
  await world.handle(transfer(escrowId, `rel-${escrowId}`));
  expect(await world.payments.stuck(patienceMs)).toEqual([]);
  await world.clock.advance(patienceMs + 1_000);
  expect(await world.payments.stuck(patienceMs)).toEqual([
    `operation rel-${escrowId} of ${escrowId} is overdue`,
  ]);
  await world.settle();
  expect(await world.payments.stuck(patienceMs)).toEqual([]);
});
