/** Banks that want their money back, through the whole system: by webhook in, to the last entry. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { fundedSale, releasedSale } from "../support/disputes.ts";

let stores: Stores;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(async () => {
  // G5: whatever happened here, the provider's own books say the same.
  await app.advance("PT2M");
  const [books] = await app.server.application.reconcile({});
  expect(books).toMatchObject({ provider: "sandbox", breaks: [] });
  expect(books?.movements).toBeGreaterThan(0);
  const report = await app.server.application.verify();
  await app.stop();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

describe("before the payout", () => {
  test("R2, pitfall 17: one webhook freezes; nothing leaves; lost closes without a refund", async () => {
    const sale = await fundedSale(app);
    const { alice, escrowId } = sale;
    const disputeId = await sale.dispute();
    const frozen = await sale.view();
    expect(frozen).toMatchObject({ state: "FROZEN", funds: { held: "0", chargedBack: "10320" } });
    for (const action of ["release", "refund"]) {
      const client = action === "release" ? alice : sale.bob;
      const refused = await client.post(`/v1/escrows/${escrowId}/${action}`);
      expect([refused.status, refused.body.code]).toEqual([409, "ESCROW_LOCKED"]);
    }
    await sale.close(disputeId, "lost");
    expect(await sale.view()).toMatchObject({
      state: "CHARGED_BACK",
      locks: [],
      funds: { funded: "10320", held: "0", fees: "0", refunded: "0", chargedBack: "10320" },
    });
    const calls = await stores.databases.payments.sql`
      SELECT kind FROM payments.operation WHERE escrow_id = ${escrowId} AND kind <> 'CREATE_PAYMENT'`;
    expect(calls).toEqual([]);
  });

  test("R4, T4, pitfall 29: won, it is all as before and the deadline keeps its time left", async () => {
    const sale = await fundedSale(app);
    const due = async () => (await sale.view()).timers[0];
    const before = await due();
    const disputeId = await sale.dispute();
    expect(await due()).toMatchObject({ kind: "DELIVERY", paused: true });
    await app.advance("P3D");
    await sale.close(disputeId, "won");
    const after = await due();
    expect(after).toMatchObject({ kind: "DELIVERY", paused: false });
    const later = Date.parse(after.dueAt) - Date.parse(before.dueAt);
    expect(Math.round(later / 86_400_000)).toBe(3);
    expect(await sale.view()).toMatchObject({
      state: "FUNDS_HELD",
      locks: [],
      funds: { held: "10000", fees: "320", chargedBack: "0" },
    });
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
    await app.settle();
    expect((await sale.view()).state).toBe("RELEASED");
  });

  test("R4: a part, and a second one; what is left is still the escrow's", async () => {
    const sale = await fundedSale(app);
    const first = await sale.dispute({ amount: "4000" });
    const second = await sale.dispute({ amount: "2000" });
    await sale.close(first, "lost");
    expect((await sale.view()).state).toBe("FROZEN");
    await sale.close(second, "won");
    expect(await sale.view()).toMatchObject({
      state: "FUNDS_HELD",
      funds: { held: "6124", fees: "196", chargedBack: "4000" },
    });
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
    await app.settle();
    expect(await sale.view()).toMatchObject({ state: "CLOSED", funds: { held: "0" } });
  });

  test("R6: an inquiry and a fear of fraud stop deadlines and no money", async () => {
    const sale = await fundedSale(app);
    const inquiry = await sale.dispute({ inquiry: true });
    const held = await sale.view();
    expect(held).toMatchObject({ state: "FUNDS_HELD", funds: { held: "10000" } });
    expect([held.locks[0].kind, held.timers[0].paused]).toEqual(["RISK", true]);
    await sale.close(inquiry, "won");
    expect(await sale.view()).toMatchObject({ locks: [], timers: [{ paused: false }] });
    const warn = `/sandbox/payments/${sale.paymentId}/warn`;
    await sale.root.post(warn, {});
    await app.settle();
    expect((await sale.view()).locks[0].kind).toBe("RISK");
    await sale.root.post(warn, { closed: true });
    await app.settle();
    expect((await sale.view()).locks).toEqual([]);
    const again = await sale.dispute({ inquiry: true, reason: "unrecognized" });
    await sale.close(again, "escalate");
    expect(await sale.view()).toMatchObject({ state: "FROZEN", funds: { held: "0" } });
  });

  test("R6: an operator sets a warning or an inquiry aside, and the deal is released by itself", async () => {
    const sale = await fundedSale(app);
    await sale.bob.post(`/v1/escrows/${sale.escrowId}/deliver`);
    await sale.root.post(`/sandbox/payments/${sale.paymentId}/warn`, {});
    const inquiry = await sale.dispute({ inquiry: true });
    await app.advance("P30D");
    expect((await sale.view()).state).toBe("DELIVERED");
    const mine = async () => {
      const { items } = (await sale.root.get("/v1/work-items")).body;
      return items.filter(({ escrowId }: { escrowId: string }) => escrowId === sale.escrowId);
    };
    const waiting = await mine();
    expect(waiting).toMatchObject([
      { kind: "RISK_HELD", amount: { amount: "10000" } },
      { kind: "RISK_HELD", amount: { amount: "10000" } },
    ]);
    expect(waiting.map(({ id }: { id: string }) => id)).toContain(inquiry);
    for (const { action } of waiting) {
      const cleared = await sale.root.post(action.replace("POST ", ""), {});
      expect([cleared.status, cleared.body.status]).toEqual([200, "succeeded"]);
      expect((await sale.root.post(action.replace("POST ", ""), {})).body.code).toBe(
        "ALREADY_SETTLED",
      );
    }
    await app.settle();
    // The provider's word is still the same, and is no news.
    await app.advance("PT1H");
    expect([await mine(), (await sale.view()).locks]).toEqual([[], []]);
    expect((await sale.disputes()).map(({ status, locked }) => [status, locked])).toEqual([
      ["INQUIRY", false],
      ["INQUIRY", false],
    ]);
    await app.advance("P30D");
    expect((await sale.view()).state).toBe("RELEASED");
  });

  test("R6: while a warning stands the buyer may release; what is over lists no lock of it", async () => {
    const sale = await fundedSale(app);
    await sale.root.post(`/sandbox/payments/${sale.paymentId}/warn`, {});
    await app.settle();
    const released = await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
    expect(released.status).toBe(200);
    await app.settle();
    expect(await sale.view()).toMatchObject({ state: "RELEASED", locks: [] });
    const { items } = (await sale.root.get("/v1/work-items")).body;
    expect(items.filter((item: { escrowId: string }) => item.escrowId === sale.escrowId)).toEqual(
      [],
    );
  });

  test("R4: a bank's own dispute is ended by nobody but the bank", async () => {
    const sale = await fundedSale(app);
    const disputeId = await sale.dispute();
    const refused = await sale.root.post(`/v1/disputes/${disputeId}/clear`, {});
    expect([refused.status, refused.body.code]).toEqual([409, "NOT_WAITING"]);
    await sale.close(disputeId, "lost");
  });

  test("R4: what the provider prevents is its own refund, and nothing was charged back", async () => {
    const sale = await fundedSale(app);
    await sale.close(await sale.dispute(), "prevented");
    expect(await sale.view()).toMatchObject({
      funds: { held: "0", refunded: "10320", chargedBack: "0" },
    });
    expect((await sale.disputes()).map(({ kind, status }) => `${kind} ${status}`)).toEqual([
      "DISPUTE PREVENTED",
      "FOREIGN_REFUND LOST",
    ]);
  });

  test("R4: a refund on the provider's own pages freezes until an operator has looked", async () => {
    const sale = await fundedSale(app);
    await sale.root.post(`/sandbox/payments/${sale.paymentId}/refund`, { amount: "1000" });
    await app.settle();
    expect(await sale.view()).toMatchObject({
      state: "FROZEN",
      funds: { held: "9031", fees: "289", refunded: "1000" },
    });
    const [seen] = await sale.disputes();
    expect(seen).toMatchObject({ kind: "FOREIGN_REFUND", status: "OPEN", locked: true });
    const clear = `/v1/disputes/${seen.disputeId}/clear`;
    expect((await sale.alice.post(clear)).status).toBe(403);
    expect((await sale.root.post(clear)).body.status).toBe("succeeded");
    await app.settle();
    expect(await sale.view()).toMatchObject({ state: "FUNDS_HELD", locks: [] });
    expect((await sale.root.post(clear)).body.code).toBe("ALREADY_SETTLED");
  });
});

describe("after the payout", () => {
  test("R3, pitfall 18: it is reversed; won again, he is paid again", async () => {
    const sale = await releasedSale(app, { sellerId: "rudi" });
    const disputeId = await sale.dispute();
    expect(await sale.view()).toMatchObject({ funds: { released: "9950", fees: "370" } });
    const [lost] = await sale.disputes();
    expect(lost).toMatchObject({ taken: "10320", debt: "9950", losses: "370", fromEscrow: "0" });
    // The transfer was reversed: nothing of it is owed any more.
    expect(lost.owed).toBe("0");
    expect((await sale.root.get("/v1/debts?party=rudi")).body.items).toEqual([]);
    await sale.close(disputeId, "won");
    const balances = await sale.balances();
    expect(balances["seller:rudi:payable"] ?? "0").toBe("0");
    const anew = await stores.databases.payments.sql`
      SELECT kind, state, net FROM payments.operation
      WHERE escrow_id = ${sale.escrowId} AND kind IN ('REVERSAL', 'RETRANSFER') ORDER BY number`;
    expect(anew).toEqual([
      { kind: "REVERSAL", state: "SUCCEEDED", net: 9_950n },
      { kind: "RETRANSFER", state: "SUCCEEDED", net: 9_950n },
    ]);
    expect((await sale.view()).state).toBe("RELEASED");
  });

  test("G7, pitfall 15: a short balance leaves a debt, the next sale nets it, the rest is forgiven", async () => {
    const sale = await releasedSale(app, { sellerId: "paul" });
    const paul = app.as("paul", "seller");
    await paul.post("/v1/parties/paul/payout-methods", { provider: "sandbox" });
    const paidOut = await paul.post("/sandbox/parties/paul/payout", { amount: "9000" });
    expect(paidOut.status).toBe(202);
    await app.settle();
    const disputeId = await sale.dispute();
    const owed = async () => (await paul.get("/v1/debts")).body.items;
    expect(await owed()).toEqual([{ partyId: "paul", owed: { amount: "9950", currency: "USD" } }]);
    expect((await sale.disputes())[0]).toMatchObject({ debt: "9950", owed: "9950" });
    const small = { sellerId: "paul", amount: { amount: "5000", currency: "USD" } };
    const second = await releasedSale(app, small);
    expect(await second.view()).toMatchObject({
      state: "RELEASED",
      funds: { released: "4950", held: "0" },
    });
    expect((await owed())[0].owed.amount).toBe("5000");
    expect((await sale.disputes())[0]).toMatchObject({ debt: "9950", owed: "5000" });

    const writeOff = { amount: "5000", currency: "USD" };
    const asked = await sale.root.post("/v1/debts/paul/write-off", writeOff);
    expect(asked.body.status).toBe("awaiting_approval");
    const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
    expect((await sale.root.post(approve)).status).toBe(403);
    expect((await app.as("paul", "admin").post(approve)).status).toBe(403);
    const approved = await app.as("rita", "admin").post(approve);
    await app.settle();
    expect([approved.body.status, await owed()]).toEqual(["succeeded", []]);

    const said = await stores.databases.payments.sql`
      SELECT type FROM payments.treasury_history WHERE subject = 'paul'`;
    expect(said).toEqual(Array.from({ length: 3 }, () => ({ type: "payments.v1.DebtChanged" })));
    await sale.close(disputeId, "won");
    const [paidAnew] = await stores.databases.payments.sql`
      SELECT state, net FROM payments.operation
      WHERE escrow_id = ${sale.escrowId} AND kind = 'RETRANSFER'`;
    expect(paidAnew).toEqual({ state: "SUCCEEDED", net: 4_950n });
  });

  test("P7, pitfall 11: a payout that fails is shown and said, and no escrow moves", async () => {
    const sale = await releasedSale(app, { sellerId: "nina" });
    const nina = app.as("nina", "seller");
    await nina.post("/v1/parties/nina/payout-methods", { provider: "sandbox" });
    await nina.post("/sandbox/parties/nina/payout", { outcome: "failed" });
    await app.settle();
    const shown = await nina.get("/v1/parties/nina/payouts");
    expect(shown.body.items).toMatchObject([
      { status: "FAILED", code: "account_closed", amount: { amount: "9950", currency: "USD" } },
    ]);
    expect((await app.as("eve").get("/v1/parties/nina/payouts")).status).toBe(404);
    expect((await sale.view()).state).toBe("RELEASED");
    const said = await stores.databases.payments.sql`
      SELECT type FROM payments.treasury_history WHERE subject = 'nina'`;
    expect(said).toEqual([{ type: "payments.v1.PayoutFailed" }]);
  });

  test.each([
    [{ chargebackLiability: "PLATFORM" }, "0", "10320"],
    [{ chargebackLiability: "RATIO", chargebackSellerPercent: "40" }, "3980", "6340"],
  ])("R3: by policy %p the seller owes %s", async (terms, debt, losses) => {
    const sale = await releasedSale(app, { sellerId: "olaf", terms });
    expect((await sale.view()).terms).toMatchObject(terms);
    await sale.dispute();
    expect(await sale.disputes()).toMatchObject([{ debt, losses }]);
    expect((await app.as("olaf").get("/v1/debts")).body.items).toEqual([]);
  });

  test("R3: a percent without RATIO is refused, not forgotten", async () => {
    const terms = { chargebackSellerPercent: "40" };
    await expect(releasedSale(app, { terms })).rejects.toThrow("chargebackSellerPercent");
  });
});

test("invariant I1: verify names a dispute whose money is not where its entries say", async () => {
  const sale = await releasedSale(app, { sellerId: "sven" });
  const disputeId = await sale.dispute();
  const { payments } = stores.databases;
  const verdict = async () => {
    const { checks } = await app.server.application.verify();
    return checks.filter(({ ok }) => !ok).map(({ id, detail }) => `${id} ${detail}`);
  };
  expect(await verdict()).toEqual([]);
  const shift = (by: bigint) => payments.sql`
    UPDATE payments.dispute SET debt = debt - ${by}::bigint, losses = losses + ${by}::bigint
    WHERE dispute_id = ${disputeId}`;
  await shift(1n);
  expect(await verdict()).toEqual([`I1 dispute ${disputeId} is not as its entries say`]);
  await shift(-1n);
});
