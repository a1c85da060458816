/** Payouts that were under way when a hit came: what does not leave is blocked with the rest. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { reorganise } from "../../src/simulators/custodian/index.ts";
import {
  type CustodianWorld,
  fundedUsdcSale,
  fundsOf,
  openCustodianWorld,
  stateOf,
  type UsdcSale,
} from "../support/custodian-world.ts";

setDefaultTimeout(120_000);

describe("a hit while a payout is under way", () => {
  let world: CustodianWorld;

  beforeEach(async () => {
    world = await openCustodianWorld();
  });
  afterEach(async () => {
    const report = await world.app.server.application.verify();
    const broken = report.checks.filter(({ ok }) => !ok);
    await world.stop();
    expect(broken).toEqual([]);
  });

  async function unblock({ escrowId }: UsdcSale): Promise<void> {
    const asked = await world.app.as("oscar", "admin").post(`/v1/escrows/${escrowId}/unblock`, {});
    const path = `/v1/approvals/${asked.body.approvalId}/approve`;
    expect((await world.app.as("olga", "admin").post(path, {})).status).toBeLessThan(300);
    await world.app.settle();
  }

  test("C2: a hit during a look-up: what turns out not to have left is blocked with the rest", async () => {
    const sale = await fundedUsdcSale(world);
    const release = `/v1/escrows/${sale.escrowId}/release`;
    world.simulator.fail("before", '"kind":"payout"');
    await sale.alice.post(release, { amount: "100000000" });
    await world.app.settle();
    world.screening.sanctioned.add("bob");
    await sale.alice.post(release, { amount: "50000000" });
    await world.app.settle();
    expect(await stateOf(sale)).toBe("BLOCKED");
    // Whether the first left is not known yet.
    expect((await fundsOf(sale))["reserved"]).toBe("100000000");
    await world.app.advance("PT1H");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", blocked: "257550000" });
    expect(world.simulator.book.withdrawals.size).toBe(0);
    await unblock(sale);
    expect(await fundsOf(sale)).toEqual({
      funded: "257550000",
      held: "250000000",
      fees: "7550000",
    });
  });

  test("C2, pitfall 34: a payout that fails while a hit stands is blocked with the rest, and stays so", async () => {
    const sale = await fundedUsdcSale(world);
    const release = `/v1/escrows/${sale.escrowId}/release`;
    await sale.alice.post(release, { amount: "100000000" });
    await world.app.settle();
    world.screening.sanctioned.add("bob");
    await sale.alice.post(release, { amount: "50000000" });
    await world.app.settle();
    expect(await stateOf(sale)).toBe("BLOCKED");
    expect((await fundsOf(sale))["reserved"]).toBe("100000000");
    const [sent] = [...world.simulator.book.withdrawals.values()];
    world.simulator.book.failing.set(sent?.to ?? "", "REJECTED_ON_CHAIN");
    await world.goOn();
    expect(await stateOf(sale)).toBe("BLOCKED");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", blocked: "257550000" });
    world.simulator.book.failing.clear();
    await sale.alice.post(release, {});
    await world.app.advance("P40D");
    await world.goOn();
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", blocked: "257550000" });
    await unblock(sale);
    expect(await fundsOf(sale)).toEqual({
      funded: "257550000",
      held: "250000000",
      fees: "7550000",
    });
  });

  test("C2, story 13: what is lost while it is blocked is not paid out when the hit is lifted", async () => {
    const sale = await fundedUsdcSale(world);
    world.screening.sanctioned.add("bob");
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    expect(await stateOf(sale)).toBe("BLOCKED");
    // Her deposit is undone on chain: she has her money back.
    reorganise(world.simulator.book, 20);
    await world.goOn();
    await world.app.advance("PT1H");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", chargedBack: "257550000" });
    await unblock(sale);
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", chargedBack: "257550000" });
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    await world.goOn();
    expect(world.simulator.book.withdrawals.size).toBe(0);
  });
});
