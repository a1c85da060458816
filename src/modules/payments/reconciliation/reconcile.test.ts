import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { SealedTextSchema } from "#gen/escrow/v1/types_pb";
import { ResumeProviderSchema, StopProviderSchema } from "#gen/payments/v1/commands_pb";
import { type TreasuryEvent, TreasuryEventSchema } from "#gen/payments/v1/events_pb";
import type { Database } from "#platform/database/database";
import {
  commandFor,
  createPaymentsWorld,
  namesOf,
  type PaymentsWorld,
  refund,
  transfer,
} from "../../../../test/support/payments.ts";
import { createDeals, type Deals, openDeals } from "../../../../test/support/payments-deals.ts";

let db: Database;
let world: PaymentsWorld;
let deals: Deals;
const minuteMs = 60_000;

beforeEach(async () => {
  ({ db, world, deals } = await openDeals());
});
afterEach(async () => {
  await db.close();
});

/** Two minutes later: whatever just moved may be judged. */
async function reconcile() {
  await world.clock.advance(2 * minuteMs);
  const [report] = await world.payments.reconcile({});
  if (report === undefined) throw new Error("no report");
  return report;
}

const kindsOf = ({ breaks }: Awaited<ReturnType<typeof reconcile>>) =>
  breaks.map(({ kind, escrowId, reference }) => `${kind} ${escrowId} ${reference}`.trim());

/** Behind the back of the provider's own program. */
async function inject(line: {
  objectId?: string;
  category?: string;
  amount?: bigint;
  fee?: bigint;
  exchanged?: boolean;
}) {
  const { objectId = "", category = "charge", amount = 0n, fee = 0n, exchanged = false } = line;
  await db.sql`
    INSERT INTO sandbox.movement (object_id, category, amount, fee, currency, exchanged, at)
    VALUES (${objectId}, ${category}, ${amount}, ${fee}, 'USD', ${exchanged}, ${world.clock.now()})`;
}

async function objectOf(escrowId: string, kind: string): Promise<string> {
  const [row] = await db.sql<{ object_id: string }>`
    SELECT object_id FROM sandbox.object WHERE group_id = ${escrowId} AND kind = ${kind}`;
  return row?.object_id ?? "";
}

async function treasury(): Promise<TreasuryEvent["body"][]> {
  const rows = await db.sql<{ payload: Uint8Array }>`
    SELECT payload FROM payments.treasury_history ORDER BY subject, version`;
  return rows.map(({ payload }) => fromBinary(TreasuryEventSchema, payload).body);
}

const reason = create(SealedTextSchema, {
  subject: "ops",
  keyId: "k",
  ciphertext: new Uint8Array(1),
});
const root = { actor: { id: "root", roles: ["admin"] } };

async function resume(approvedBy = ["root", "other"]) {
  const value = create(ResumeProviderSchema, { reason });
  const command = commandFor("sandbox", { case: "resumeProvider", value }, root);
  command.approvedBy = approvedBy;
  await world.handle(command);
  await world.settle();
}

async function stop() {
  const value = create(StopProviderSchema, { reason });
  await world.handle(commandFor("sandbox", { case: "stopProvider", value }, root));
}

describe("G5: our books against the provider's", () => {
  test("pitfall 13: paid, released, refunded, returned and overpaid escrows agree, fees included", async () => {
    const released = await deals.funded();
    await world.handle(transfer(released, `rel-${released}`, 6_000n));
    const refunded = await deals.funded();
    await world.handle(refund(refunded, `ref-${refunded}`));
    const returned = await deals.funded({ buyerId: "alice_refundreturns" });
    await world.handle(refund(returned, `ret-${returned}`));
    await world.settle();
    await world.clock.advance(minuteMs);
    await world.settle();
    const overpaid = await deals.funded();
    await deals.pay(overpaid, { amount: "700" });
    await world.settle();
    const report = await reconcile();
    expect(report.breaks).toEqual([]);
    expect(report.movements).toBeGreaterThan(10);
    expect(report.compared).toBeGreaterThan(6);
    const [row] = await db.sql<{ theirs: bigint; ours: bigint }>`
      SELECT (SELECT sum(amount - fee)::bigint FROM sandbox.movement) AS theirs,
        (SELECT sum(amount)::bigint FROM payments.entry WHERE account = 'clearing') AS ours`;
    expect(row?.theirs).toBe(row?.ours ?? 0n);
  });

  test("pitfall 40: each kind of difference has its name, a conversion too, and is closed when it is resolved", async () => {
    const [amount, fee, gone, converted] = [
      await deals.funded(),
      await deals.funded(),
      await deals.funded(),
      await deals.funded(),
    ];
    await inject({ objectId: await objectOf(amount, "payment"), amount: 5n });
    await inject({ objectId: await objectOf(fee, "payment"), fee: 7n });
    await db.sql`DELETE FROM sandbox.movement WHERE object_id = ${await objectOf(gone, "payment")}`;
    await db.sql`UPDATE sandbox.movement SET exchanged = true
      WHERE object_id = ${await objectOf(converted, "payment")}`;
    await inject({ objectId: "sbx_tr_unknown", category: "transfer", amount: -900n });
    await inject({ category: "other_adjustment", amount: 11n });
    const report = await reconcile();
    expect(kindsOf(report).sort()).toEqual(
      [
        `amount ${amount} payment`,
        `amount ${converted} payment`,
        `fee ${fee} payment`,
        `missing_there ${gone} payment`,
        "missing_here  sbx_tr_unknown",
        `missing_here  ${report.breaks.find((b) => b.category === "other_adjustment")?.reference}`,
      ].sort(),
    );
    expect(report.breaks.find(({ kind }) => kind === "fee")).toMatchObject({
      ours: { amount: "10320", fee: "329" },
      theirs: { amount: "10320", fee: "336" },
    });
    const found = (await treasury()).filter((body) => body.case === "reconciliationBreakFound");
    expect(found).toHaveLength(6);
    await inject({ objectId: await objectOf(amount, "payment"), amount: -5n });
    await inject({ objectId: await objectOf(fee, "payment"), fee: -7n });
    const later = await reconcile();
    expect(later.breaks).toHaveLength(4);
    expect(later.breaks[0]?.ageSeconds).toBe(120);
    const said = (await treasury()).filter((body) => body.case === "reconciliationBreakFound");
    expect(said).toHaveLength(6);
  });

  test("what an open operation moved is a matter of time, and a break when it lasts", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, "rel-open"));
    await world.worker("payments.operations.sandbox").step();
    const objectId = await objectOf(escrowId, "transfer");
    await inject({ objectId, category: "transfer", amount: -9_950n });
    expect(kindsOf(await reconcile())).toEqual([`timing ${escrowId} rel-open`]);
    expect(await treasury()).toEqual([]);
    await world.clock.advance(8 * 24 * 3_600_000);
    expect(kindsOf(await reconcile())).toEqual([`missing_here ${escrowId} rel-open`]);
    expect((await treasury()).map(({ case: name }) => name)).toEqual([
      "reconciliationBreakFound",
      "providerStopped",
    ]);
  });

  test("the platform's own movements are booked by rule, once, into its own book", async () => {
    await deals.funded();
    await inject({ objectId: "fee_1", category: "fee", amount: -200n });
    await inject({ objectId: "po_1", category: "payout", amount: -1_000n, fee: 25n });
    await inject({ objectId: "top_1", category: "topup", amount: 5_000n });
    await inject({ objectId: "res_1", category: "reserved", amount: -300n });
    expect((await reconcile()).breaks).toEqual([]);
    expect((await reconcile()).breaks).toEqual([]);
    const rows = await db.sql<{ account: string; owner: string; sum: bigint }>`
      SELECT account, owner, sum(amount)::bigint AS sum FROM payments.entry WHERE escrow_no = 0
      GROUP BY account, owner ORDER BY account, owner`;
    expect(rows.map(({ account, owner, sum }) => `${account} ${owner} ${sum}`)).toEqual([
      "clearing sandbox 3475",
      "platform_bank  -4000",
      "platform_bank sandbox 300",
      "provider_fees  225",
    ]);
  });
});

describe("G6: the line", () => {
  test("a break stops releases, funding and refunds go on, and two operators resume it", async () => {
    const [waiting, asked] = [await deals.funded(), await deals.funded()];
    await inject({ objectId: await objectOf(waiting, "payment"), amount: -1n });
    expect(await reconcile()).toMatchObject({ stopped: true });
    await world.handle(transfer(waiting, "rel-1"), refund(asked, "ref-1"));
    expect(await deals.operation("rel-1")).toMatchObject({
      state: "REJECTED",
      code: "PROVIDER_STOPPED",
    });
    await world.settle();
    expect(await world.funds(waiting)).toMatchObject({ held: "10000", fees: "320" });
    expect(await world.funds(asked)).toEqual({ funded: "10320", refunded: "10320" });
    const funded = await deals.funded();
    expect(await world.funds(funded)).toMatchObject({ held: "10000" });
    await resume(["root"]);
    await resume(["root", "root"]);
    expect(namesOf(await world.events(waiting))).not.toContain("releasesResumed");
    await resume();
    expect(namesOf(await world.events(waiting))).toContain("releasesResumed");
    await world.handle(transfer(waiting, "rel-2"));
    await world.settle();
    expect(await deals.operation("rel-2")).toMatchObject({ state: "SUCCEEDED" });
    // The break stays open and was taken note of: it stops nothing any more.
    expect(await reconcile()).toMatchObject({ stopped: false, breaks: [{ accepted: true }] });
    await inject({ objectId: await objectOf(waiting, "payment"), amount: -1n });
    expect(await reconcile()).toMatchObject({ stopped: true, breaks: [{ accepted: false }] });
  });

  test("only what weighs more than the tolerance stops it", async () => {
    world = createPaymentsWorld(db, { toleranceMinor: 10n });
    deals = createDeals(world, db);
    const escrowId = await deals.funded();
    await inject({ objectId: await objectOf(escrowId, "payment"), amount: 4n, fee: 6n });
    expect(await reconcile()).toMatchObject({ stopped: false, breaks: [{ kind: "amount" }] });
    await inject({ objectId: await objectOf(escrowId, "payment"), fee: 1n });
    expect(await reconcile()).toMatchObject({ stopped: true });
  });

  test("what was accepted and not sent does not leave, and goes back to its decision once it is proved unsent", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, "rel-1"));
    await world.clock.advance(1);
    await stop();
    await world.settle();
    expect(await deals.operation("rel-1")).toMatchObject({ state: "LOOKUP" });
    await world.clock.advance(16 * minuteMs);
    await world.settle();
    expect(await deals.operation("rel-1")).toMatchObject({
      state: "REJECTED",
      code: "PROVIDER_STOPPED",
    });
    expect(await deals.transfersOf(escrowId)).toBe(0n);
    expect(await world.funds(escrowId)).toMatchObject({ held: "10000" });
  });

  test("pitfall 49: books restored from a backup find by look-up what they had sent, and pay once", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, "rel-1"));
    const [before] = await db.sql<{ row: string }>`
      SELECT to_jsonb(o)::text AS row FROM payments.operation o WHERE operation_id = 'rel-1'`;
    await world.worker("payments.operations.sandbox").step();
    await world.worker("payments.sandbox").step();
    expect(await deals.transfersOf(escrowId)).toBe(1n);
    // The backup was made before the call, and the provider has forgotten its keys since.
    await db.sql`DELETE FROM payments.operation WHERE operation_id = 'rel-1'`;
    await db.sql`INSERT INTO payments.operation
      SELECT * FROM jsonb_populate_record(NULL::payments.operation, ${before?.row ?? ""}::jsonb)`;
    await db.sql`DELETE FROM payments.provider_object WHERE kind = 'transfer'`;
    await db.sql`DELETE FROM sandbox.delivery`;
    await world.clock.advance(25 * 3_600_000);
    const report = await reconcile();
    expect(report).toMatchObject({ stopped: true });
    expect(report.breaks.map(({ kind }) => kind)).toEqual(["missing_here"]);
    await world.settle();
    expect(await deals.operation("rel-1")).toMatchObject({ state: "SUCCEEDED", attempt: 1 });
    expect(await deals.transfersOf(escrowId)).toBe(1n);
    expect(await world.funds(escrowId)).toMatchObject({ released: "9950" });
    expect((await reconcile()).breaks).toEqual([]);
  });
});
