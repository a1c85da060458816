/** Deposits of another asset that are gone, on a database: told twice at once, never booked, half sent back. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import type { Database } from "#platform/database/database";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import {
  createPaymentsWorld,
  namesOf,
  openPaymentsDatabase,
  type PaymentsWorld,
} from "../../../../test/support/payments.ts";
import { createDeals, type Deals } from "../../../../test/support/payments-deals.ts";
import { verifyLedger } from "../ledger/verify.ts";
import type { Outcome, PaymentProvider, ProviderRefund, UndoneDeposit } from "../provider.ts";
import { createSandboxProvider } from "../providers/sandbox/provider.ts";
import type { ProviderObjectRow } from "../schema.ts";
import { recordForeign } from "./record-foreign.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

const provider = "chain";
const depositId = "dep_stray";
const admin = { as: "olga", roles: ["admin"] };

let db: Database;
let world: PaymentsWorld;
let deals: Deals;
/** What the provider says is gone, by its objects. */
let reversions: Map<string, UndoneDeposit>;
let refundsAsked: number;
/** Held until it is set. */
let refundAnswer: PromiseWithResolvers<Outcome<ProviderRefund>>;

beforeEach(async () => {
  db = await openPaymentsDatabase();
  world = createPaymentsWorld(db, { providers: [chain()] });
  deals = createDeals(world, db);
  reversions = new Map();
  refundsAsked = 0;
  refundAnswer = Promise.withResolvers();
});
afterEach(async () => {
  const { violations } = await verifyLedger(db);
  await db.close();
  expect(violations).toEqual([]);
});

/** The sandbox under another name, with reversions. */
function chain(): PaymentProvider {
  const clock = createManualClock();
  const real = createSandboxProvider({ db, clock, webhookSecrets: ["whsec_chain"] });
  return {
    ...real,
    describe: () => ({ ...real.describe(), name: provider }),
    getForeign: async (objectId) => ({ kind: "succeeded", value: reversions.get(objectId) }),
    createRefund: () => {
      refundsAsked += 1;
      return refundAnswer.promise;
    },
  };
}

async function due(objectId: string): Promise<void> {
  await db.sql`
    UPDATE payments.provider_object SET sync_due_at = ${world.clock.now()}
    WHERE object_id = ${objectId}`;
}

async function readAgain(objectId: string): Promise<void> {
  await due(objectId);
  await world.settle();
}

/** Another asset came for it. */
async function strayed(escrowId: string): Promise<string> {
  const stray = [{ depositId, amount: "700", currency: "EUR" }];
  const [payment] = await db.sql<{ object_id: string }>`
    UPDATE sandbox.object SET details = details || ${JSON.stringify({ deposits: stray })}::jsonb
    WHERE group_id = ${escrowId} AND kind = 'payment' RETURNING object_id`;
  const paymentRef = payment?.object_id ?? "";
  await readAgain(paymentRef);
  return paymentRef;
}

/** The provider says that it is gone; nobody has read it yet. */
async function told(
  objectId: string,
  gone: Pick<UndoneDeposit, "paymentRef"> & Partial<UndoneDeposit>,
): Promise<ProviderObjectRow> {
  const kind = "deposit_undone";
  reversions.set(objectId, {
    kind,
    objectId,
    depositId,
    amount: 700n,
    currency: "EUR",
    ...gone,
  });
  const [row] = await db.sql<ProviderObjectRow>`
    INSERT INTO payments.provider_object (provider, object_id, kind, sync_due_at)
    VALUES (${provider}, ${objectId}, 'unmatched', ${world.clock.now()}) RETURNING *`;
  if (row === undefined) throw new Error("not told");
  return row;
}

async function suspense(): Promise<readonly string[]> {
  const rows = await db.sql<{ reason: string }>`
    SELECT t.reason FROM payments.entry e JOIN payments.ledger_transaction t USING (escrow_no, number)
    WHERE e.currency = 'EUR' AND e.account = 'suspense' ORDER BY t.number`;
  return rows.map(({ reason }) => reason);
}

async function workItems(): Promise<readonly { kind: string; id: string }[]> {
  const answer = await world.call("GET", "/v1/work-items", admin);
  return ((await answer.json()) as { items: { kind: string; id: string }[] }).items;
}

describe("a deposit that is gone", () => {
  test("is told by two objects of one batch: it leaves suspense once, and is said once", async () => {
    const escrowId = await deals.open({ provider });
    const paymentRef = await strayed(escrowId);
    const reads = [await told("rvt_1", { paymentRef }), await told("rvt_2", { paymentRef })].map(
      (row) => ({
        row,
        outcome: { kind: "succeeded", value: reversions.get(row.object_id) } as const,
      }),
    );
    const { clock } = world;
    const writer = { schema: "payments", writer: "payments", producerName: "test" };
    const deps = { clock, logger: silentLogger, outbox: createOutbox({ ...writer, clock }) };
    await db.withTx((tx) => recordForeign(tx, reads, deps));

    expect(await suspense()).toEqual(["deposit_unattributed", "deposit_undone"]);
    const said = namesOf(await world.events(escrowId));
    expect(said.filter((name) => name === "foreignMovementSeen")).toHaveLength(1);
    const objects = await db.sql<{ problem: string; sync_due_at: Date | null }>`
      SELECT problem, sync_due_at FROM payments.provider_object WHERE object_id LIKE 'rvt_%'`;
    expect(objects).toEqual(Array.from({ length: 2 }, () => ({ problem: "", sync_due_at: null })));
  });

  test("and was never booked waits for a person, and goes on to wait however often it is read", async () => {
    const escrowId = await deals.open({ provider });
    const paymentRef = await strayed(escrowId);
    await told("rvt_1", { paymentRef, depositId: "dep_unknown" });
    await world.settle();
    const stands = [{ kind: "OBJECT_UNREADABLE", id: "rvt_1" }];
    expect(await workItems()).toMatchObject(stands);
    for (let times = 0; times < 2; times += 1) {
      await due("rvt_1");
      // Not even between its own read and its payment's.
      await world.worker(`payments.sync.${provider}`).step();
      expect(await workItems()).toMatchObject(stands);
      await world.settle();
      expect(await workItems()).toMatchObject(stands);
    }
  });

  test("while its way back is asked for, and that provably fails: it is not asked for again", async () => {
    const escrowId = await deals.open({ provider });
    const paymentRef = await strayed(escrowId);
    const decided = { ...admin, body: { decision: "REFUND" } };
    await world.call("POST", `/v1/deposits/${depositId}/decide`, decided);
    const asking = world.settle();
    while (refundsAsked === 0) await Bun.sleep(1);
    await world.clock.advance(200);
    await asking;
    await told("rvt_1", { paymentRef });
    await world.settle();
    refundAnswer.resolve({ kind: "retry", afterMs: 1_000 });
    await world.worker(`payments.operations.${provider}`).stop?.();
    await world.clock.advance(10_000);
    await world.worker(`payments.operations.${provider}`).step();
    expect(refundsAsked).toBe(1);
    await readAgain("rvt_1");
    expect(await suspense()).toEqual(["deposit_unattributed", "deposit_undone"]);
    expect(await workItems()).toEqual([]);
  });
});
