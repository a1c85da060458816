/** What was refused for want of a place starts again when there is one, unless it happened after all. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "#platform/database/database";
import { type PaymentsWorld, refund } from "../../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../../test/support/payments-deals.ts";
import { pendingWork } from "../proof/pending.ts";

setDefaultTimeout(60_000);

let db: Database;
let world: PaymentsWorld;
let deals: Deals;
beforeAll(async () => {
  ({ db, world, deals } = await openDeals());
});
afterAll(() => db.close());

test.each([
  ["a refund", "REFUND", "REFUND_ADDRESS_REQUIRED", "1 refunds to resume"],
  ["what is owed to a seller", "RETRANSFER", "SELLER_NOT_READY", "1 transfers to resume"],
])(
  "%s does not start again by itself while its provider says that it did happen",
  async (_, kind, code, pending) => {
    const buyerId = `alice-${kind}`;
    const sellerId = `bob-${kind}`;
    const escrowId = await deals.funded({ buyerId, sellerId });
    const id = `op-${kind}`;
    await world.handle(refund(escrowId, id));
    const now = world.clock.now();
    await db.sql`
    UPDATE payments.operation
    SET kind = ${kind}, state = 'FAILED', code = ${code}, attempt = 2, due_at = NULL
    WHERE operation_id = ${id}`;
    await db.sql`
    INSERT INTO payments.refund_address (refund_address_id, party_id, provider, chain_id, address,
      status, registered_by, tries, created_at, updated_at)
    VALUES (${id}, ${buyerId}, 'sandbox', '1', ${`0x${kind}`}, 'READY', ${buyerId}, 0, ${now}, ${now})`;
    await db.sql`
    INSERT INTO payments.payout_account (provider, account_id, party_id)
    VALUES ('sandbox', ${`acct-${kind}`}, ${sellerId})`;
    await db.sql`
    INSERT INTO payments.payout_method (payout_method_id, party_id, provider, account_id, status,
      requirements_due, created_at, updated_at)
    VALUES (${id}, ${sellerId}, 'sandbox', ${`acct-${kind}`}, 'READY', '{}', ${now}, ${now})`;
    await db.sql`
    INSERT INTO payments.provider_object (provider, object_id, kind, escrow_id, operation_id, attempt, problem)
    VALUES ('sandbox', ${`first-${kind}`}, 'refund', ${escrowId}, ${id}, 1, 'it succeeded')`;
    const resumption = world.worker(`payments.resume-${kind.toLowerCase()}s`);
    const toResume = async () =>
      (await pendingWork(db, world.clock)).due.filter((what) => what.endsWith("to resume"));
    expect(await toResume()).toEqual([]);
    expect(await resumption.step()).toBe("idle");
    expect(await deals.operation(id)).toMatchObject({ state: "FAILED", attempt: 2 });
    await db.sql`UPDATE payments.provider_object SET problem = '' WHERE operation_id = ${id}`;
    expect(await toResume()).toEqual([pending]);
    expect(await resumption.step()).toBe("worked");
    expect(await toResume()).toEqual([]);
    expect(await deals.operation(id)).toMatchObject({ state: "READY", attempt: 3 });
  },
);
