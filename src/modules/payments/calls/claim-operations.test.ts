/** What a claim itself says, before anything is called. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "#platform/database/database";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import { type PaymentsWorld, refund, transfer } from "../../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../../test/support/payments-deals.ts";
import { type Claim, claimOperations } from "./claim-operations.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

let db: Database;
let world: PaymentsWorld;
let deals: Deals;
beforeAll(async () => {
  ({ db, world, deals } = await openDeals());
});
afterAll(() => db.close());

test("a claim that keeps what is payable against a debt wakes the relay that tells it", async () => {
  const sellerId = "nils";
  const escrowId = await deals.funded({ sellerId });
  await world.handle(transfer(escrowId, "paid", 10_000n, { sellerId }));
  await world.settle();
  const { clock } = world;
  // It is to be sent to him anew, and by now he owes as much.
  await db.sql`
    UPDATE payments.operation SET kind = 'RETRANSFER', state = 'READY', tries = 0,
      due_at = ${clock.now()}, lease_until = NULL WHERE operation_id = 'paid'`;
  await db.sql`
    INSERT INTO payments.seller_debt (party_id, currency, owed) VALUES (${sellerId}, 'USD', 9950)`;
  const writer = { schema: "payments", writer: "payments", producerName: "test" };
  const outbox = createOutbox({ ...writer, clock });
  let wakes = 0;
  outbox.onWake(() => {
    wakes += 1;
  });
  const deps = { db, outbox, clock, logger: silentLogger, providers: new Map() };
  const claim = () => claimOperations(deps, { provider: "sandbox", limit: 9 });
  expect(await claim()).toEqual([]);
  expect(wakes).toBe(1);
  expect(await claim()).toEqual([]);
  expect(wakes).toBe(1);
});

function claimsOf(through: Database): Promise<readonly Claim[]> {
  const { clock } = world;
  const writer = { schema: "payments", writer: "payments", producerName: "test" };
  const outbox = createOutbox({ ...writer, clock });
  const deps = { db: through, outbox, clock, logger: silentLogger, providers: new Map() };
  return claimOperations(deps, { provider: "sandbox", limit: 9 });
}

const namesOf = (claims: readonly Claim[]) => claims.map(({ operation }) => operation.operationId);

test("a stop that comes between the choice and the claim keeps a release from leaving", async () => {
  const escrowId = await deals.funded();
  await world.handle(transfer(escrowId, "released"));
  const stoppedMeanwhile: Database = {
    ...db,
    sql: db.sql.bind(db),
    withTx: async (work) => {
      await db.sql`
        INSERT INTO payments.provider_stop (provider, reason, stopped_by, stopped_at)
        VALUES ('sandbox', 'OPERATOR', 'olga', ${world.clock.now()})`;
      return db.withTx(work);
    },
  };
  expect(namesOf(await claimsOf(stoppedMeanwhile))).toEqual([]);
  await db.sql`DELETE FROM payments.provider_stop`;
  expect(namesOf(await claimsOf(db))).toEqual(["released"]);
});

test.each([
  ["that was never called goes to the address its buyer has now", 1, false, true],
  ["whose attempt before provably failed goes there too", 2, false, true],
  [
    "whose attempt before was only not found keeps its address: it may have gone there",
    2,
    true,
    false,
  ],
  ["of which nobody noted whether it was found keeps it too", 2, null, false],
])("a refund %s", async (name, attempt, absentBefore, moves) => {
  const buyerId = `alice-${name.length}`;
  const [before, now] = [`0xold-${buyerId}`, `0xnew-${buyerId}`];
  const escrowId = await deals.funded({ buyerId });
  const id = `refund-${escrowId}`;
  await world.handle(refund(escrowId, id));
  await db.sql`
    UPDATE payments.operation
    SET target = ${before}, attempt = ${attempt}, absent_before = ${absentBefore}
    WHERE operation_id = ${id}`;
  await db.sql`
    INSERT INTO payments.refund_address (refund_address_id, party_id, provider, chain_id, address,
      status, registered_by, tries, created_at, updated_at)
    VALUES (${id}, ${buyerId}, 'sandbox', '1', ${now}, 'READY', ${buyerId}, 0,
      ${world.clock.now()}, ${world.clock.now()})`;
  const targets = (await claimsOf(db)).map(({ operation }) => operation.target);
  expect(targets).toEqual([moves ? now : before]);
});

test("an attempt that waits is not called once its provider says that the one before was done", async () => {
  const escrowId = await deals.funded();
  const id = `refund-${escrowId}`;
  await world.handle(refund(escrowId, id));
  await db.sql`UPDATE payments.operation SET attempt = 2 WHERE operation_id = ${id}`;
  await db.sql`
    INSERT INTO payments.provider_object (provider, object_id, kind, escrow_id, operation_id, attempt, problem)
    VALUES ('sandbox', ${`first-${id}`}, 'refund', ${escrowId}, ${id}, 1, 'it succeeded')`;
  expect(namesOf(await claimsOf(db))).not.toContain(id);
  expect(await deals.operation(id)).toMatchObject({ state: "READY", attempt: 2 });
  await db.sql`UPDATE payments.provider_object SET problem = '' WHERE operation_id = ${id}`;
  await world.clock.advance(60_000);
  expect(namesOf(await claimsOf(db))).toContain(id);
});
