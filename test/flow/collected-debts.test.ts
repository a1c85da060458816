/** What a seller owes or is owed, and what becomes of it when his account or his balance is in the way. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { fundedSale, releasedSale } from "../support/disputes.ts";

setDefaultTimeout(60_000);

let stores: Stores;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(async () => {
  const report = await app.server.application.verify();
  await app.stop();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

async function operations(escrowId: string, kind: string) {
  return stores.databases.payments.sql<{ id: string; state: string; net: bigint; code: string }>`
    SELECT operation_id AS id, state, net, code FROM payments.operation
    WHERE escrow_id = ${escrowId} AND kind = ${kind} ORDER BY number, net DESC`;
}

async function owedBy(seller: string): Promise<string | undefined> {
  const { items } = (await app.as("root", "admin").get(`/v1/debts?party=${seller}`)).body;
  return items[0]?.owed.amount;
}

test("pitfall 15: a balance too small for the debt is asked for a part; two operators collect more", async () => {
  const sale = await releasedSale(app, { sellerId: "petra" });
  const petra = app.as("petra", "seller");
  await petra.post("/v1/parties/petra/payout-methods", { provider: "sandbox" });
  await petra.post("/sandbox/parties/petra/payout", { amount: "5000" });
  await app.settle();
  await sale.close(await sale.dispute(), "lost");
  expect(await operations(sale.escrowId, "REVERSAL")).toMatchObject([
    { state: "REJECTED", net: 9_950n, code: "BALANCE_TOO_SMALL" },
    { state: "REJECTED", net: 4_975n },
    { state: "SUCCEEDED", net: 2_487n },
  ]);
  expect(await owedBy("petra")).toBe("7463");

  const [transfer] = await operations(sale.escrowId, "TRANSFER");
  const reverse = `/v1/payments/${transfer?.id}/reverse`;
  expect((await sale.alice.post(reverse, { amount: "2000" })).status).toBe(403);
  expect((await app.as("petra", "admin").post(reverse, { amount: "2000" })).status).toBe(403);
  const collect = async (amount: string) => {
    const asked = await sale.root.post(reverse, { amount });
    expect(asked.body.status).toBe("awaiting_approval");
    const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
    expect((await sale.root.post(approve)).status).toBe(403);
    const approved = await app.as("rita", "admin").post(approve);
    await app.settle();
    return approved.body;
  };
  expect((await collect("2000")).status).toBe("succeeded");
  expect(await owedBy("petra")).toBe("5463");
  const { code, commandId } = await collect("5464");
  expect(code).toBe("NOTHING_OWED");
  const { rejection } = (await sale.root.get(`/v1/commands/${commandId}`)).body;
  expect(rejection.code).toBe("NOTHING_OWED");
});

test("pitfall 18: what is owed to a seller waits for an account that can take it", async () => {
  const sale = await fundedSale(app, { sellerId: "ria" });
  const ria = app.as("ria", "seller");
  const method = await ria.post("/v1/parties/ria/payout-methods", { provider: "sandbox" });
  expect(method.status).toBe(201);
  await ria.post(`/v1/escrows/${sale.escrowId}/deliver`);
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  const disputeId = await sale.dispute();
  const account = (status: string) => stores.databases.payments.sql`
    UPDATE sandbox.object SET status = ${status} WHERE kind = 'account' AND seller_id = 'ria'`;
  await account("PENDING");
  await sale.close(disputeId, "won");
  await app.advance("PT1M");
  expect(await operations(sale.escrowId, "RETRANSFER")).toMatchObject([
    { state: "FAILED", code: "SELLER_NOT_READY" },
  ]);
  const items = (await sale.root.get("/v1/work-items")).body.items;
  expect(items).toMatchObject([{ kind: "RETRANSFER_FAILED", escrowId: sale.escrowId }]);
  expect((await sale.alice.get("/v1/work-items")).status).toBe(403);
  await account("READY");
  await app.advance("PT2H");
  expect(await operations(sale.escrowId, "RETRANSFER")).toMatchObject([{ state: "SUCCEEDED" }]);
  expect((await sale.root.get("/v1/work-items")).body.items).toEqual([]);
});

test("G7: what is owed to a seller who has come to owe something is kept against it before it leaves", async () => {
  const [won, lost] = [await releasedFor("nora"), await releasedFor("nora")];
  const disputeId = await won.dispute();
  await app.as("nora", "seller").post("/sandbox/parties/nora/payout", { amount: "9950" });
  await app.settle();
  const account = (status: string) => stores.databases.payments.sql`
    UPDATE sandbox.object SET status = ${status} WHERE kind = 'account' AND seller_id = 'nora'`;
  await account("PENDING");
  await won.close(disputeId, "won");
  await app.advance("PT1M");
  expect(await operations(won.escrowId, "RETRANSFER")).toMatchObject([
    { state: "FAILED", code: "SELLER_NOT_READY", net: 9_950n },
  ]);
  await lost.close(await lost.dispute({ amount: "4000" }), "lost");
  expect(await owedBy("nora")).toBe("4000");
  await account("READY");
  await app.advance("PT2H");
  expect(await operations(won.escrowId, "RETRANSFER")).toMatchObject([
    { state: "SUCCEEDED", net: 5_950n },
  ]);
  expect(await owedBy("nora")).toBeUndefined();
  const balances = await won.balances();
  expect([balances["seller:nora:payable"], balances["seller:nora:debt"]]).toEqual(["0", "-4000"]);
});

test("G7: after an attempt that was only not found all is asked for again, and his debt stays", async () => {
  const [won, lost] = [await releasedFor("nele"), await releasedFor("nele")];
  const disputeId = await won.dispute();
  await app.as("nele", "seller").post("/sandbox/parties/nele/payout", { amount: "9950" });
  await app.settle();
  const account = (status: string) => stores.databases.payments.sql`
    UPDATE sandbox.object SET status = ${status} WHERE kind = 'account' AND seller_id = 'nele'`;
  await account("PENDING");
  await won.close(disputeId, "won");
  await lost.close(await lost.dispute({ amount: "4000" }), "lost");
  expect(await owedBy("nele")).toBe("4000");
  await account("READY");
  // As after an answer that was lost: nobody knows whether the first attempt was made.
  await stores.databases.payments.sql`
    UPDATE payments.operation SET state = 'LOOKUP', code = '', due_at = updated_at
    WHERE escrow_id = ${won.escrowId} AND kind = 'RETRANSFER'`;
  await app.advance("PT2H");
  const [row] = await stores.databases.payments.sql`
    SELECT state, attempt, net, netted FROM payments.operation
    WHERE escrow_id = ${won.escrowId} AND kind = 'RETRANSFER'`;
  expect(row).toEqual({ state: "SUCCEEDED", attempt: 2, net: 9_950n, netted: 0n });
  expect(await owedBy("nele")).toBe("4000");
});

test("G7: what is owed to a seller who owes as much is not sent at all", async () => {
  const [won, lost] = [await releasedFor("nils"), await releasedFor("nils")];
  const disputeId = await won.dispute();
  await app.as("nils", "seller").post("/sandbox/parties/nils/payout", { amount: "9950" });
  await app.settle();
  const account = (status: string) => stores.databases.payments.sql`
    UPDATE sandbox.object SET status = ${status} WHERE kind = 'account' AND seller_id = 'nils'`;
  await account("PENDING");
  await won.close(disputeId, "won");
  await lost.close(await lost.dispute(), "lost");
  await account("READY");
  await app.advance("PT2H");
  expect(await operations(won.escrowId, "RETRANSFER")).toMatchObject([
    { state: "SUCCEEDED", net: 0n },
  ]);
  expect(await owedBy("nils")).toBeUndefined();
  expect((await lost.root.get("/v1/work-items")).body.items).toEqual([]);
});

/** Of a seller whose account can be told to wait. */
async function releasedFor(sellerId: string) {
  const sale = await fundedSale(app, { sellerId });
  const seller = app.as(sellerId, "seller");
  await seller.post(`/v1/parties/${sellerId}/payout-methods`, { provider: "sandbox" });
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  return sale;
}

test("pitfall 15: what is being taken back already, of whichever escrow, is not asked for twice", async () => {
  const [sale, other] = [await releasedFor("otto"), await releasedFor("otto")];
  await app.as("otto", "seller").post("/sandbox/parties/otto/payout", { amount: "19900" });
  await app.settle();
  await sale.close(await sale.dispute(), "lost");
  expect(await owedBy("otto")).toBe("9950");
  const [asked] = await operations(sale.escrowId, "REVERSAL");
  const [transfer] = await operations(other.escrowId, "TRANSFER");
  const collect = async () => {
    const path = `/v1/payments/${transfer?.id}/reverse`;
    const { approvalId } = (await sale.root.post(path, { amount: "9000" })).body;
    const approved = await app.as("rita", "admin").post(`/v1/approvals/${approvalId}/approve`);
    await app.settle();
    return approved.body.code ?? approved.body.status;
  };
  const underWay = (state: string) => stores.databases.payments.sql`
    UPDATE payments.operation SET state = ${state} WHERE operation_id = ${asked?.id ?? ""}`;
  await underWay("PENDING");
  expect(await collect()).toBe("NOTHING_OWED");
  await underWay("REJECTED");
  expect(await collect()).toBe("succeeded");
});

test("R4: a dispute that was won and whose money never came back is a person's work", async () => {
  const sale = await fundedSale(app);
  const disputeId = await sale.dispute();
  await stores.databases.payments.sql`
    UPDATE payments.dispute SET status = 'won' WHERE dispute_id = ${disputeId}`;
  const items = async () => (await sale.root.get("/v1/work-items")).body.items;
  expect(await items()).toEqual([]);
  await stores.databases.payments.sql`
    UPDATE payments.dispute SET updated_at = updated_at - interval '8 days'
    WHERE dispute_id = ${disputeId}`;
  expect(await items()).toMatchObject([
    { kind: "DISPUTE_NOT_REINSTATED", id: disputeId, amount: { amount: "10320" } },
  ]);
  await stores.databases.payments.sql`
    UPDATE payments.dispute SET status = 'open' WHERE dispute_id = ${disputeId}`;
});

test("R3: who bears a chargeback is what the parties agreed last, after the funding too", async () => {
  const sale = await fundedSale(app, { sellerId: "rolf" });
  const path = `/v1/escrows/${sale.escrowId}/amend`;
  const proposed = await sale.alice.post(path, { terms: { chargebackLiability: "PLATFORM" } });
  expect(proposed.status).toBe(200);
  const { proposedTermsHash } = proposed.body.escrow;
  const agreed = await sale.bob.post(
    path,
    proposedTermsHash
      ? { termsHash: proposedTermsHash }
      : { terms: { chargebackLiability: "PLATFORM" } },
  );
  expect(agreed.status).toBe(200);
  await app.settle();
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  await sale.close(await sale.dispute(), "lost");
  expect(await owedBy("rolf")).toBeUndefined();
  const [dispute] = await sale.disputes();
  expect(dispute).toMatchObject({ debt: "0", losses: "10320" });
});

test("R4: somebody else's refund that fails after it was cleared and the sale had ended gives the money back", async () => {
  const sale = await fundedSale(app, { sellerId: "rosa" });
  await sale.root.post(`/sandbox/payments/${sale.paymentId}/refund`, { amount: "10320" });
  await app.settle();
  const [seen] = await sale.disputes();
  expect((await sale.root.post(`/v1/disputes/${seen.disputeId}/clear`)).status).toBe(200);
  await app.settle();
  expect(await sale.view()).toMatchObject({ state: "REFUNDED", funds: { refunded: "10320" } });
  await stores.databases.payments.sql`
    UPDATE sandbox.object SET status = 'failed' WHERE object_id = ${seen.disputeId}`;
  await app.advance("P1D");
  expect(await sale.view()).toMatchObject({
    state: "FUNDS_HELD",
    funds: { held: "10000", fees: "320", refunded: "0" },
  });
});

test("G7: what a sale's own reversal repaid was not forgiven: won, it is his again", async () => {
  const [first, second] = [await releasedFor("olga"), await releasedFor("olga")];
  await app.as("olga", "seller").post("/sandbox/parties/olga/payout", { amount: "17900" });
  await app.settle();
  await first.close(await first.dispute({ amount: "5000" }), "lost");
  // Of the 2000 he has left a quarter of the debt could be taken back; it is the older one.
  expect(await owedBy("olga")).toBe("3750");
  const disputeId = await second.dispute({ amount: "700" });
  expect(await operations(second.escrowId, "REVERSAL")).toMatchObject([
    { state: "SUCCEEDED", net: 700n },
  ]);
  expect(await owedBy("olga")).toBe("3750");
  const writeOff = { amount: "3750", currency: "USD" };
  const { approvalId } = (await first.root.post("/v1/debts/olga/write-off", writeOff)).body;
  await app.as("rita", "admin").post(`/v1/approvals/${approvalId}/approve`);
  await app.settle();
  expect(await owedBy("olga")).toBeUndefined();
  await second.close(disputeId, "won");
  expect(await operations(second.escrowId, "RETRANSFER")).toMatchObject([
    { state: "SUCCEEDED", net: 700n },
  ]);
});
