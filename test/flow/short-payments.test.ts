/**
 * Less than what is asked for: it goes back when an operator says so, and the payment goes on waiting.
 * What the buyer is told to pay is right at each step.
 */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { reorganise } from "../../src/simulators/custodian/index.ts";
import {
  acceptedUsdcSale,
  type CustodianWorld,
  confirmations,
  fundsOf,
  openCustodianWorld,
  registerRefundAddress,
  send,
  stateOf,
} from "../support/custodian-world.ts";
import { acceptedEscrow, pay, type Sale } from "../support/sale.ts";

setDefaultTimeout(120_000);

const whole = 257_550_000n;
const short = 100_000_000n;

let world: CustodianWorld;
beforeEach(async () => {
  world = await openCustodianWorld();
});
afterEach(async () => {
  await world.app.advance("PT5M");
  const reports = await world.app.server.application.reconcile({});
  const { checks } = await world.app.server.application.verify();
  await world.stop();
  expect(reports.flatMap(({ breaks }) => breaks)).toEqual([]);
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
});

const olga = () => world.app.as("olga", "admin");

async function waiting(): Promise<readonly { depositId: string; amount: { amount: string } }[]> {
  return (await olga().get("/v1/deposits")).body.items;
}

async function paymentOf({ alice, escrowId }: Sale) {
  return (await alice.get(`/v1/escrows/${escrowId}/payment`)).body;
}

/** The one that waits, or the one of this amount. */
async function giveBack(amount?: bigint): Promise<void> {
  const items = await waiting();
  const found = items.find((item) => amount === undefined || item.amount.amount === `${amount}`);
  const path = `/v1/deposits/${found?.depositId}/decide`;
  expect((await olga().post(path, { decision: "REFUND" })).body.status).toBe("succeeded");
  await world.app.settle();
}

test("M4: a short payment that was given back is not the end: the whole sum funds the deal", async () => {
  const sale = await acceptedEscrow(world.app);
  await pay(sale, { amount: "4000" });
  await world.app.settle();
  expect(await paymentOf(sale)).toMatchObject({ received: "4000", nextAction: "PAY_THE_REST" });
  await giveBack();
  const between = await paymentOf(sale);
  expect(between).toMatchObject({ status: "REQUIRES_PAYMENT", received: "0", nextAction: "PAY" });
  const renewed = await sale.alice.post(`/v1/escrows/${sale.escrowId}/payment`, {});
  expect(renewed.status).toBe(200);
  await pay(sale, { amount: "10820" });
  await world.app.settle();
  expect(await stateOf(sale)).toBe("FUNDS_HELD");
  // Of which 500 were too much.
  const funds = { funded: "14820", held: "10000", fees: "320", refunded: "4500" };
  expect(await fundsOf(sale)).toEqual(funds);
  expect(await paymentOf(sale)).toMatchObject({ status: "SUCCEEDED", received: "10320" });
  await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`);
  await world.app.settle();
  expect(await stateOf(sale)).toBe("REFUNDED");
  expect(await paymentOf(sale)).toMatchObject({ status: "REFUNDED", received: "0" });
});

test("M4: the sandbox's bank, asked for all that is missing, pays again what was given back", async () => {
  const sale = await acceptedEscrow(world.app);
  await pay(sale, { amount: "4000" });
  await world.app.settle();
  await giveBack();
  await pay(sale, {});
  await world.app.settle();
  expect(await stateOf(sale)).toBe("FUNDS_HELD");
  expect(await paymentOf(sale)).toMatchObject({ status: "SUCCEEDED", received: "10320" });
});

test("M4: what is on its way back is not counted, and the rest of what is asked is said so", async () => {
  const sale = await acceptedUsdcSale(world);
  send(world, sale, short);
  send(world, sale, 60_000_000n);
  await world.goOn();
  expect(await paymentOf(sale)).toMatchObject({ received: "160000000" });
  await giveBack(short);
  // It waits for an address of the buyer's.
  const left = { status: "UNDERFUNDED", received: "60000000", nextAction: "PAY_THE_REST" };
  expect(await paymentOf(sale)).toMatchObject(left);
  await giveBack(60_000_000n);
  const none = { status: "UNDERFUNDED", received: "0", nextAction: "PAY" };
  expect(await paymentOf(sale)).toMatchObject(none);
  await registerRefundAddress(sale.alice);
  await world.app.settle();
  await world.goOn(2);
  expect(await fundsOf(sale)).toEqual({ funded: "160000000", refunded: "160000000" });
  expect(await paymentOf(sale)).toMatchObject({ ...none, status: "REQUIRES_PAYMENT" });
  send(world, sale, whole);
  await world.goOn();
  expect(await stateOf(sale)).toBe("FUNDS_HELD");
  expect(world.simulator.book.withdrawals.size).toBe(2);
});

test("M4: a short part whose way back failed after it was confirmed completes nothing", async () => {
  const sale = await acceptedUsdcSale(world);
  await registerRefundAddress(sale.alice);
  send(world, sale, short);
  await world.goOn();
  await giveBack();
  await world.goOn(2);
  const { book } = world.simulator;
  const [back] = book.withdrawals.values();
  if (back === undefined) throw new Error("nothing was sent back");
  const { id: objectId, token, decimals } = back;
  back.status = "failed";
  back.code = "ORPHANED";
  book.tell("withdrawal.failed", objectId);
  book.move({ objectId, category: "return", amount: `${short}`, fee: "0", token, decimals });
  await world.simulator.flush();
  await world.app.settle();
  expect(await fundsOf(sale)).toEqual({ funded: `${short}`, reserved: `${short}` });
  const owed = { status: "UNDERFUNDED", received: "0", nextAction: "PAY" };
  expect(await paymentOf(sale)).toMatchObject(owed);
  send(world, sale, whole);
  await world.goOn();
  expect(await stateOf(sale)).toBe("FUNDS_HELD");
  expect(await paymentOf(sale)).toMatchObject({ status: "SUCCEEDED" });
});

test("story 13: a part that a reorganisation took away waits for nobody, and goes back out of no other", async () => {
  const sale = await acceptedUsdcSale(world);
  await registerRefundAddress(sale.alice);
  send(world, sale, short);
  await world.goOn();
  const [gone] = await waiting();
  reorganise(world.simulator.book, confirmations);
  await world.simulator.flush();
  await world.app.settle();
  const none = { status: "REQUIRES_PAYMENT", received: "0", nextAction: "PAY" };
  expect(await paymentOf(sale)).toMatchObject(none);
  send(world, sale, 90_000_000n);
  await world.goOn();
  const left = { status: "UNDERFUNDED", received: "90000000", nextAction: "PAY_THE_REST" };
  expect(await paymentOf(sale)).toMatchObject(left);
  expect(await waiting()).toMatchObject([{ amount: { amount: "90000000" } }]);
  const path = `/v1/deposits/${gone?.depositId}/decide`;
  const decided = await olga().post(path, { decision: "REFUND" });
  expect(decided.body.code).toBe("ALREADY_SETTLED");
  await world.goOn(2);
  expect(world.simulator.book.withdrawals.size).toBe(0);
  send(world, sale, whole - 90_000_000n);
  await world.goOn();
  expect(await stateOf(sale)).toBe("FUNDS_HELD");
});
