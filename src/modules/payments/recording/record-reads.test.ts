/** A read of what an earlier attempt made, after a later one was sent. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { RetryOperationSchema } from "#gen/payments/v1/commands_pb";
import type { Database } from "#platform/database/database";
import { commandFor, type PaymentsWorld, refund } from "../../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../../test/support/payments-deals.ts";

setDefaultTimeout(60_000);

let db: Database;
let world: PaymentsWorld;
let deals: Deals;

beforeEach(async () => {
  ({ db, world, deals } = await openDeals());
});
afterEach(() => db.close());

async function retry(escrowId: string, operationId: string): Promise<void> {
  const value = create(RetryOperationSchema, { operationId });
  const actor = { id: "root", roles: ["admin"] };
  await world.handle(commandFor(escrowId, { case: "retryOperation", value }, { actor }));
  await world.settle();
}

/** Its provider says so now, and it is read. */
async function turns(objectId: string, status: string): Promise<void> {
  await db.sql`UPDATE sandbox.object SET status = ${status} WHERE object_id = ${objectId}`;
  await db.sql`
    UPDATE payments.provider_object SET sync_due_at = ${world.clock.now()}
    WHERE object_id = ${objectId}`;
  await world.settle();
}

async function itemsOf(kind: string): Promise<readonly unknown[]> {
  const answer = await world.call("GET", "/v1/work-items", { as: "olga", roles: ["admin"] });
  const { items } = (await answer.json()) as { items: { kind: string }[] };
  return items.filter((item) => item.kind === kind);
}

test.each([
  ["alone", false, "is succeeded after it had failed"],
  ["and sent again", true, "is succeeded though a later attempt took its place"],
] as const)(
  "a refund that failed, %s, and succeeded after all waits for a person until it has failed again",
  async (_, again, problem) => {
    const escrowId = await deals.funded({ buyerId: "lena_refundfails" });
    const operationId = `ref-${escrowId}`;
    await world.handle(refund(escrowId, operationId));
    await world.settle();
    expect(await deals.operation(operationId)).toMatchObject({ state: "FAILED", attempt: 1 });
    const [first] = await db.sql<{ object_id: string }>`
      SELECT object_id FROM payments.provider_object WHERE operation_id = ${operationId}`;
    const id = first?.object_id ?? "";
    if (again) await retry(escrowId, operationId);
    const before = await world.funds(escrowId);
    expect(await itemsOf("OBJECT_UNREADABLE")).toEqual([]);
    await turns(id, "succeeded");
    const waits = { id, escrowId, code: `${id} ${problem}` };
    expect(await itemsOf("OBJECT_UNREADABLE")).toMatchObject([waits]);
    expect(await world.funds(escrowId)).toEqual(before);
    await turns(id, "failed");
    expect(await itemsOf("OBJECT_UNREADABLE")).toEqual([]);
    expect(await world.funds(escrowId)).toEqual(before);
  },
);

test("a refund that fails after its deposit was taken away, of the payment's own asset, is not sent again", async () => {
  const escrowId = await deals.funded({ buyerId: "lena_refundfails" });
  const operationId = `ref-${escrowId}`;
  await world.handle(refund(escrowId, operationId));
  await world.settle();
  const attempt = async () => (await deals.operation(operationId))?.attempt;
  // What an operator gave back, and a reorganisation took.
  await db.sql`
    UPDATE payments.operation o SET deposit_id = d.deposit_id
    FROM payments.deposit d WHERE d.escrow_no = o.escrow_no AND o.operation_id = ${operationId}`;
  await db.sql`UPDATE payments.deposit SET disposition = 'UNDONE'`;
  await retry(escrowId, operationId);
  expect(await attempt()).toBe(1);
  await db.sql`UPDATE payments.deposit SET disposition = 'EXPECTED'`;
  await retry(escrowId, operationId);
  expect(await attempt()).toBe(2);
});
