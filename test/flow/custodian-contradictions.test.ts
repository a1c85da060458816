/** A custodian that contradicts itself: nothing of it is booked, a person is shown it, others go on. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { bridgedToken, walletOf } from "../support/custodian-harness.ts";
import {
  acceptedUsdcSale,
  type CustodianWorld,
  fundedUsdcSale,
  fundsOf,
  openCustodianWorld,
  send,
  stateOf,
  type UsdcSale,
} from "../support/custodian-world.ts";

setDefaultTimeout(120_000);

const held = { funded: "257550000", held: "250000000", fees: "7550000" };
const sent = { funded: "257550000", reserved: "250000000", fees: "7550000" };

describe("a custodian that contradicts itself", () => {
  let world: CustodianWorld;

  beforeEach(async () => {
    world = await openCustodianWorld();
  });
  afterEach(async () => {
    // It says how it is, and that ends it.
    await world.app.advance("PT30M");
    await world.goOn();
    const items = await itemsOf();
    const report = await world.app.server.application.verify();
    await world.stop();
    expect(items).toEqual([]);
    expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  const olga = () => world.app.as("olga", "admin");
  const itemsOf = async () => (await olga().get("/v1/work-items")).body.items;

  async function tell(type: string, objectId: string): Promise<void> {
    world.simulator.book.tell(type, objectId);
    await world.simulator.flush();
    await world.app.settle();
  }

  async function release(sale: UsdcSale): Promise<string> {
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    const made = [...world.simulator.book.withdrawals.values()];
    return made.find(({ group }) => group === sale.escrowId)?.id ?? "";
  }

  async function lookAgain(): Promise<void> {
    const [item] = await itemsOf();
    expect(item).toMatchObject({ kind: "OUTCOME_UNKNOWN", code: "CONTRADICTED" });
    const retried = await olga().post(`/v1/payments/${item.id}/retry`, {});
    expect(retried.body.status).toBe("succeeded");
    await world.app.settle();
  }

  test.each([
    ["another chain", { chainId: "1" }],
    ["another token", { token: bridgedToken }],
    ["another amount", { amount: "1" }],
    ["another escrow", { group: "esc_of_others" }],
  ])("an address for %s is shown to nobody who could pay there", async (_, says) => {
    world.simulator.lie("POST /v1/deposit-addresses", says);
    const sale = await acceptedUsdcSale(world);
    const path = `/v1/escrows/${sale.escrowId}/payment`;
    expect((await sale.alice.get(path)).body.deposit).toBeUndefined();
    expect(await stateOf(await fundedUsdcSale(world))).toBe("FUNDS_HELD");
    await lookAgain();
    expect((await sale.alice.get(path)).body.deposit).toMatchObject({ chainId: "8453" });
    send(world, sale, 257_550_000n);
    await world.goOn();
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
  });

  test.each([
    ["another wallet", { to: walletOf("mallory").address }],
    ["another amount", { amount: "1" }],
    ["another token", { token: bridgedToken }],
    ["another escrow", { group: "esc_of_others" }],
  ])("a payout to %s pays nobody in the books", async (_, says) => {
    const sale = await fundedUsdcSale(world);
    world.simulator.lie("POST /v1/withdrawals", says);
    await release(sale);
    expect(await fundsOf(sale)).toEqual(sent);
    await lookAgain();
    await world.goOn();
    expect(await stateOf(sale)).toBe("RELEASED");
  });

  test.each([
    ["failed", { status: "failed", code: "REJECTED_ON_CHAIN", networkFee: null }],
    ["pending", { status: "pending", networkFee: null }],
  ])("a payout that was final and is %s is paid only once", async (_, says) => {
    const sale = await fundedUsdcSale(world);
    const id = await release(sale);
    await world.goOn();
    expect(await stateOf(sale)).toBe("RELEASED");
    world.simulator.lie(`GET /v1/withdrawals/${id}`, says);
    await tell("withdrawal.failed", id);
    expect(await stateOf(sale)).toBe("RELEASED");
    expect(await itemsOf()).toMatchObject([{ kind: "OBJECT_UNREADABLE", id }]);
    expect(world.simulator.book.withdrawals.size).toBe(1);
  });

  test("an address that forgets a deposit which was final keeps it in the books", async () => {
    const sale = await fundedUsdcSale(world);
    world.simulator.lie(`GET /v1/deposit-addresses/${sale.addressId}`, { deposits: [] });
    await tell("deposit.final", sale.addressId);
    expect(await fundsOf(sale)).toEqual(held);
    expect(await itemsOf()).toMatchObject([{ kind: "OBJECT_UNREADABLE", id: sale.addressId }]);
    expect(await stateOf(await fundedUsdcSale(world))).toBe("FUNDS_HELD");
  });

  test("an address that says another amount of a deposit which was final keeps what was booked", async () => {
    const sale = await fundedUsdcSale(world);
    const [deposit] = world.simulator.book.addresses.get(sale.addressId)?.deposits ?? [];
    const deposits = [{ ...deposit, amount: "999000000" }];
    world.simulator.lie(`GET /v1/deposit-addresses/${sale.addressId}`, { deposits });
    await tell("deposit.final", sale.addressId);
    expect(await fundsOf(sale)).toEqual(held);
    expect(await itemsOf()).toMatchObject([{ kind: "OBJECT_UNREADABLE", id: sale.addressId }]);
  });
});
