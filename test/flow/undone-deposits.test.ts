/**
 * Another asset than USDC that a reorganisation takes away after it was final: the books, the way back
 * an operator had asked for, and the custodian's own book afterwards.
 */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { madeBy } from "../../src/modules/payments/providers/custodian/reference.ts";
import { mine, reorganise } from "../../src/simulators/custodian/index.ts";
import { bridgedToken } from "../support/custodian-harness.ts";
import {
  acceptedUsdcSale,
  type CustodianWorld,
  confirmations,
  fundedUsdcSale,
  openCustodianWorld,
  registerRefundAddress,
  send,
  stateOf,
  type UsdcSale,
} from "../support/custodian-world.ts";

setDefaultTimeout(120_000);

const amount = 257_550_000n;

describe("pitfall 36, story 13: a wrong asset that is reorganised away", () => {
  let world: CustodianWorld;
  let sale: UsdcSale;

  beforeEach(async () => {
    world = await openCustodianWorld();
    sale = await acceptedUsdcSale(world);
  });
  afterEach(async () => {
    // Whatever happened, the two books agree and nobody is stopped.
    await world.app.advance("PT5M");
    const reports = await world.app.server.application.reconcile({ provider: "custodian" });
    const { items } = (await olga().get("/v1/providers")).body;
    const custodian = items.find(({ name }: { name: string }) => name === "custodian");
    const report = await world.app.server.application.verify();
    await world.stop();
    expect(reports).toMatchObject([{ provider: "custodian", breaks: [] }]);
    expect(custodian).toMatchObject({ stopped: null, breaks: [] });
    expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  const olga = () => world.app.as("olga", "admin");

  async function books(): Promise<Record<string, string>> {
    const { currencies } = (await olga().get("/v1/ledger/trial-balance")).body;
    const accounts: Record<string, string> = currencies.USDBC?.accounts ?? {};
    return Object.fromEntries(Object.entries(accounts).filter(([, sum]) => sum !== "0"));
  }

  async function strayed(): Promise<string> {
    send(world, sale, amount, bridgedToken);
    await world.goOn();
    const { items } = (await olga().get("/v1/deposits")).body;
    return items[0].depositId;
  }

  async function undo(blocks = confirmations): Promise<void> {
    reorganise(world.simulator.book, blocks);
    await world.simulator.flush();
    await world.app.settle();
  }

  function failBack() {
    const { book } = world.simulator;
    const [back] = book.withdrawals.values();
    if (back === undefined) throw new Error("nothing was sent back");
    back.status = "failed";
    back.code = "ORPHANED";
    book.tell("withdrawal.failed", back.id);
    return back;
  }

  const refund = (depositId: string) =>
    olga().post(`/v1/deposits/${depositId}/decide`, { decision: "REFUND" });

  async function expectGone(): Promise<void> {
    expect((await olga().get("/v1/deposits")).body.items).toEqual([]);
    expect((await olga().get("/v1/work-items")).body.items).toEqual([]);
    const payment = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
    expect(payment.body.status).toBe("REQUIRES_PAYMENT");
  }

  test("nobody decided yet: it leaves suspense, nothing can be decided, and the sale can be paid", async () => {
    const depositId = await strayed();
    expect(await books()).toMatchObject({ "suspense:custodian": `-${amount}` });
    await undo();
    expect(await books()).toEqual({});
    await expectGone();
    expect((await refund(depositId)).body.code).toBe("ALREADY_SETTLED");
    send(world, sale, amount);
    await world.goOn();
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
  });

  test("its way back was decided and not sent: it never is", async () => {
    const depositId = await strayed();
    await refund(depositId);
    await world.app.settle();
    // It waits for an address of the buyer's.
    await undo();
    expect(await books()).toEqual({});
    await expectGone();
    await registerRefundAddress(sale.alice);
    await world.app.settle();
    await world.goOn();
    expect(world.simulator.book.withdrawals.size).toBe(0);
  });

  test("it was sent back already: the platform bears it", async () => {
    await registerRefundAddress(sale.alice);
    await refund(await strayed());
    await world.app.settle();
    await world.goOn(2);
    expect(await books()).toEqual({});
    await undo(confirmations + 2);
    expect(await books()).toEqual({
      "platform:losses": `${amount}`,
      "clearing:custodian": `-${amount}`,
    });
    await expectGone();
  });

  test("its way back was tried and not taken: it is not sent out of another deposit", async () => {
    await registerRefundAddress(sale.alice);
    const first = await strayed();
    send(world, sale, amount, bridgedToken);
    await world.goOn();
    const { items } = (await olga().get("/v1/deposits")).body;
    const ids: string[] = items.map(({ depositId }: { depositId: string }) => depositId);
    world.simulator.fail("busy", '"return"', 2);
    await refund(ids.find((id) => id !== first) ?? "");
    await world.app.settle();
    await world.app.advance("PT10S");
    await undo();
    await world.app.advance("PT1H");
    expect(world.simulator.book.withdrawals.size).toBe(0);
    expect(await books()).toMatchObject({ "suspense:custodian": `-${amount}` });
    expect((await olga().get("/v1/deposits")).body.items).toMatchObject([{ depositId: first }]);
  });

  test("its way back is reorganised away, too: the loss comes back, nothing is sent again", async () => {
    await registerRefundAddress(sale.alice);
    await refund(await strayed());
    await world.app.settle();
    await world.goOn(2);
    await undo(confirmations + 2);
    const { book } = world.simulator;
    const back = failBack();
    const { id: objectId, token, decimals } = back;
    const units = amount.toString();
    book.move({ objectId, category: "return", amount: units, fee: "0", token, decimals });
    await world.simulator.flush();
    await world.app.settle();
    expect(await books()).toEqual({});
    await expectGone();
    const { postings } = (await olga().get(`/v1/escrows/${sale.escrowId}/ledger`)).body;
    expect(postings.at(-1).reason).toBe("deposit_loss_returned");
    const { operationId } = madeBy(back.reference);
    const retried = await olga().post(`/v1/payments/${operationId}/retry`, {});
    expect(retried.body.code).toBe("ALREADY_SETTLED");
    await world.goOn(2);
    expect(book.withdrawals.size).toBe(1);
  });

  test("a hit on its way back is reported in its asset, and as gone when it is", async () => {
    await registerRefundAddress(sale.alice);
    const depositId = await strayed();
    world.screening.sanctioned.add("alice");
    await refund(depositId);
    await world.app.settle();
    const otherAsset = { amount: amount.toString(), currency: "USDBC" };
    const own = { amount: "0", currency: "USDC" };
    const before = (await olga().get("/v1/blocked")).body.items;
    expect(before).toMatchObject([{ amount: own, otherAsset }]);
    expect(before[0].undone).toBeUndefined();
    await undo();
    expect(await books()).toEqual({});
    const after = (await olga().get("/v1/blocked")).body.items;
    expect(after).toMatchObject([{ amount: own, otherAsset, undone: true }]);
  });

  // Of two that wait either may be booked: recording/record-foreign.test.ts has both in one batch.
  test("it is told twice, by two reversions: it is lost once", async () => {
    await registerRefundAddress(sale.alice);
    await refund(await strayed());
    await world.app.settle();
    const { book } = world.simulator;
    reorganise(book, confirmations);
    await world.simulator.flush();
    await world.app.settle();
    await world.goOn(2);
    await world.app.advance("PT1M");
    const [gone] = book.reversions.values();
    book.reversions.set("rvt_again", gone ?? "");
    book.tell("deposit.reverted", "rvt_again");
    await world.simulator.flush();
    await world.app.settle();
    await world.app.advance("PT1M");
    expect(await books()).toMatchObject({ "platform:losses": `${amount}` });
    await expectGone();
  });

  test("its way back is on chain and not final: the outcome is waited for", async () => {
    await registerRefundAddress(sale.alice);
    await refund(await strayed());
    await world.app.settle();
    await undo();
    expect(await books()).toMatchObject({ "suspense:custodian": `-${amount}` });
    await world.goOn(2);
    await world.app.advance("PT1M");
    expect(await books()).toEqual({
      "platform:losses": `${amount}`,
      "clearing:custodian": `-${amount}`,
    });
    await expectGone();
  });

  test("its way back fails while it is waited for: it is not tried again", async () => {
    await registerRefundAddress(sale.alice);
    await refund(await strayed());
    await world.app.settle();
    await undo();
    const { book } = world.simulator;
    const back = failBack();
    // The reversion cannot be read for a while: what it took away is known all the same.
    world.simulator.lie("GET /v1/reversions/", { amount: "1" });
    await world.simulator.flush();
    await world.app.settle();
    expect(await books()).toMatchObject({ "suspense:custodian": `-${amount}` });
    const { operationId } = madeBy(back.reference);
    const retried = await olga().post(`/v1/payments/${operationId}/retry`, {});
    expect(retried.body.code).toBe("ALREADY_SETTLED");
    await world.app.advance("PT1H");
    expect(book.withdrawals.size).toBe(1);
    expect(await books()).toEqual({});
    await expectGone();
  });

  test("the news of it overtakes the deposit's: both are booked, in their order", async () => {
    send(world, sale, amount, bridgedToken);
    mine(world.simulator.book, confirmations);
    await undo();
    expect(await books()).toEqual({});
    await expectGone();
    const ledger = (await olga().get(`/v1/escrows/${sale.escrowId}/ledger`)).body;
    expect(ledger.postings.map(({ reason }: { reason: string }) => reason)).toEqual([
      "deposit_unattributed",
      "deposit_undone",
    ]);
  });

  test("the sale's own money is untouched, and its seller is paid", async () => {
    const other = await fundedUsdcSale(world);
    send(world, other, amount, bridgedToken);
    await world.goOn();
    const payment = await other.alice.get(`/v1/escrows/${other.escrowId}/payment`);
    expect(payment.body).toMatchObject({ status: "SUCCEEDED", received: `${amount}` });
    await undo();
    await other.alice.post(`/v1/escrows/${other.escrowId}/release`, {});
    await world.app.settle();
    await world.goOn(2);
    expect(await stateOf(other)).toBe("RELEASED");
    expect(await books()).toEqual({});
  });
});
