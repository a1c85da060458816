/** Wallet screening around USDC: who is screened when, what waits, what is blocked, and who lifts it. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { buyersWallet, walletOf } from "../support/custodian-harness.ts";
import {
  acceptedUsdcSale,
  type CustodianWorld,
  fundedUsdcSale,
  fundsOf,
  openCustodianWorld,
  registerRefundAddress,
  send,
  stateOf,
  type UsdcSale,
} from "../support/custodian-world.ts";

setDefaultTimeout(120_000);

describe("wallet screening", () => {
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

  const operator = () => world.app.as("oscar", "admin");
  const whole = 257_550_000n;

  async function deposited(): Promise<UsdcSale> {
    const sale = await acceptedUsdcSale(world);
    send(world, sale, whole);
    await world.goOn();
    return sale;
  }

  async function reviews() {
    return (await operator().get("/v1/reviews")).body.items;
  }

  async function decided(path: string, decision: string): Promise<string> {
    const asked = await operator().post(path, { decision });
    await world.app.settle();
    const { body } = await operator().get(`/v1/commands/${asked.body.commandId}`);
    return body.rejection?.code ?? body.status;
  }

  async function unblock({ escrowId }: UsdcSale): Promise<void> {
    const asked = await operator().post(`/v1/escrows/${escrowId}/unblock`, {});
    expect(asked.body.status).toBe("awaiting_approval");
    const path = `/v1/approvals/${asked.body.approvalId}/approve`;
    expect((await operator().post(path, {})).status).toBeGreaterThanOrEqual(400);
    const second = world.app.as("olga", "admin");
    expect((await second.post(path, {})).status).toBeLessThan(300);
    await world.app.settle();
  }

  test("C1: the depositor is screened at funding, the seller's address again at release", async () => {
    const sale = await fundedUsdcSale(world);
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    await world.goOn();
    expect(await stateOf(sale)).toBe("RELEASED");
    expect(world.screening.asked).toMatchObject([
      { party: "alice", purpose: "DEPOSIT", address: buyersWallet },
      { party: "bob", purpose: "PAYOUT", address: walletOf("bob").address },
    ]);
  });

  test("C2, pitfall 34: a hit before funding blocks the deposit: nobody releases, refunds or waits it out", async () => {
    world.screening.sanctioned.add("alice");
    const sale = await deposited();
    expect(await stateOf(sale)).toBe("BLOCKED");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", blocked: "257550000" });
    await registerRefundAddress(sale.alice);
    await world.app.settle();
    const actions: [string, object][] = [
      ["release", {}],
      ["refund", {}],
      ["cancel", {}],
    ];
    for (const [action, body] of actions) {
      await sale.alice.post(`/v1/escrows/${sale.escrowId}/${action}`, body);
      await sale.bob.post(`/v1/escrows/${sale.escrowId}/${action}`, body);
    }
    await world.app.advance("P40D");
    await world.goOn();
    expect(world.simulator.book.withdrawals.size).toBe(0);
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", blocked: "257550000" });
    const [review] = await reviews();
    expect(review).toMatchObject({
      state: "BLOCKED",
      reason: "SANCTIONED",
      listVersion: "2030-01",
    });
    const lift = { decision: "CLEAR" };
    const asked = await operator().post(`/v1/reviews/${review.reviewId}/decide`, lift);
    expect(asked.body.status).toBe("awaiting_approval");
    const report = await world.app.as("eva", "auditor").get("/v1/blocked");
    expect(report.body.items).toMatchObject([
      {
        partyId: "alice",
        purpose: "DEPOSIT",
        amount: { amount: "257550000", currency: "USDC" },
        source: "lists of tests",
        listVersion: "2030-01",
      },
    ]);
    expect(report.body.items[0].blockedAt).toBeDefined();
    expect((await sale.alice.get("/v1/blocked")).status).toBe(403);
  });

  test("C2, C4: a hit on the seller blocks what is held; two operators lift it, and the same list does not block it again", async () => {
    const sale = await fundedUsdcSale(world);
    world.screening.sanctioned.add("bob");
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    await world.goOn();
    expect(await stateOf(sale)).toBe("BLOCKED");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", blocked: "257550000" });
    await unblock(sale);
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
    expect(await fundsOf(sale)).toEqual({
      funded: "257550000",
      held: "250000000",
      fees: "7550000",
    });
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    await world.goOn();
    // The same list says the same of the same wallet: two people have judged that already.
    expect(await stateOf(sale)).toBe("RELEASED");
    expect(await fundsOf(sale)).toEqual({
      funded: "257550000",
      released: "249500000",
      fees: "8050000",
    });
    const { items } = (await operator().get("/v1/blocked")).body;
    expect(items).toMatchObject([{ partyId: "bob", decidedBy: ["oscar", "olga"] }]);
    expect(items[0].liftedAt).toBeDefined();
  });

  test("C2: what was blocked before funding completes the funding when two lifted it", async () => {
    world.screening.sanctioned.add("alice");
    const sale = await deposited();
    await unblock(sale);
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
    expect(await fundsOf(sale)).toEqual({
      funded: "257550000",
      held: "250000000",
      fees: "7550000",
    });
  });

  test("C1, pitfall 35: screening down holds and asks again, however long; then it goes on", async () => {
    world.screening.down = true;
    const sale = await deposited();
    expect(await stateOf(sale)).toBe("AWAIT_FUNDS");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", pending: "257550000" });
    const [review] = await reviews();
    expect(review).toMatchObject({ state: "DUE", reason: "UNAVAILABLE" });
    await world.app.advance("PT1H");
    expect(await stateOf(sale)).toBe("AWAIT_FUNDS");
    expect(await decided(`/v1/reviews/${review.reviewId}/decide`, "CLEAR")).toBe(
      "SCREENING_PENDING",
    );
    const { locks } = (await sale.alice.get(`/v1/escrows/${sale.escrowId}`)).body;
    expect(JSON.stringify(locks)).toContain("REVIEW");
    world.screening.down = false;
    await world.app.advance("PT2M");
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
    expect((await sale.alice.get(`/v1/escrows/${sale.escrowId}`)).body.locks).toEqual([]);
  });

  test("C1: a score of 50 is an operator's to decide, 49 is nobody's", async () => {
    world.screening.scores.set("alice", 49);
    expect(await stateOf(await deposited())).toBe("FUNDS_HELD");
    world.screening.scores.set("alice", 50);
    const sale = await deposited();
    expect(await stateOf(sale)).toBe("AWAIT_FUNDS");
    const [review] = await reviews();
    expect(review).toMatchObject({ state: "HELD", reason: "SCORE", score: 50 });
    const path = `/v1/reviews/${review.reviewId}/decide`;
    expect((await sale.alice.post(path, { decision: "CLEAR" })).status).toBe(403);
    expect(await decided(path, "CLEAR")).toBe("succeeded");
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
    expect(await decided(path, "BLOCK")).toBe("ALREADY_SETTLED");
  });

  test("C1: a risky seller's payout waits; an operator who blocks it blocks the money", async () => {
    const sale = await fundedUsdcSale(world);
    world.screening.scores.set("bob", 80);
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    await world.goOn();
    expect(world.simulator.book.withdrawals.size).toBe(0);
    expect(await fundsOf(sale)).toMatchObject({ reserved: "250000000" });
    const [review] = await reviews();
    expect(await decided(`/v1/reviews/${review.reviewId}/decide`, "BLOCK")).toBe("succeeded");
    expect(await stateOf(sale)).toBe("BLOCKED");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", blocked: "257550000" });
  });

  async function approved(path: string, body: object): Promise<void> {
    const asked = await operator().post(path, body);
    expect(asked.body.status).toBe("awaiting_approval");
    const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
    expect((await operator().post(approve, {})).status).toBe(403);
    expect((await world.app.as("olga", "admin").post(approve, {})).status).toBeLessThan(300);
    await world.app.settle();
  }

  test("C2: late money of somebody on a list is kept, the cancelled escrow is not blocked; two lift it", async () => {
    const sale = await acceptedUsdcSale(world);
    await registerRefundAddress(sale.alice);
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/cancel`, {});
    await world.app.settle();
    world.screening.sanctioned.add("alice");
    send(world, sale, whole);
    await world.goOn();
    await world.goOn();
    expect(world.simulator.book.withdrawals.size).toBe(0);
    expect(await stateOf(sale)).toBe("CANCELLED");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", pending: "257550000" });
    const [review] = await reviews();
    expect(review).toMatchObject({ state: "BLOCKED", purpose: "DEPOSIT" });
    await approved(`/v1/reviews/${review.reviewId}/decide`, { decision: "CLEAR" });
    await world.goOn();
    // The same list says the same of her wallet: two people have judged that already.
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", refunded: "257550000" });
    expect(await stateOf(sale)).toBe("CANCELLED");
  });

  test("C4: excess of somebody on a list is lifted by two, through its review", async () => {
    const sale = await fundedUsdcSale(world);
    await registerRefundAddress(sale.alice);
    await world.app.settle();
    world.screening.sanctioned.add("alice");
    send(world, sale, 5_000_000n);
    await world.goOn();
    const [review] = await reviews();
    await approved(`/v1/reviews/${review.reviewId}/decide`, { decision: "CLEAR" });
    await world.goOn();
    expect((await fundsOf(sale))["refunded"]).toBe("5000000");
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
  });

  test("pitfall 37: a refund address is screened too; one on a list is never used", async () => {
    world.screening.sanctioned.add("alice");
    const alice = world.app.as("alice", "buyer");
    await registerRefundAddress(alice);
    await world.app.settle();
    const { items } = (await alice.get("/v1/parties/alice/refund-addresses")).body;
    expect(items).toMatchObject([{ status: "REJECTED" }]);
  });

  const strange = "0x2222222222222222222222222222222222222222";

  async function decidedBySecond(escrowId: string, between?: () => Promise<void>): Promise<void> {
    const asked = await operator().post(`/v1/escrows/${escrowId}/unblock`, {});
    await between?.();
    await world.app.as("olga", "admin").post(`/v1/approvals/${asked.body.approvalId}/approve`, {});
    await world.app.settle();
    await world.goOn();
  }

  function lastDeposit(): string {
    const all = [...world.simulator.book.addresses.values()].flatMap(({ deposits }) => deposits);
    return all.at(-1)?.id ?? "";
  }

  test("C1, pitfall 35: a payout that waits for a person does not leave by a stop and a resumption", async () => {
    const sale = await fundedUsdcSale(world);
    world.screening.scores.set("bob", 80);
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    await world.app.advance("PT1M");
    await operator().post("/v1/providers/custodian/stop", { reason: "drill" });
    await world.app.settle();
    const asked = await operator().post("/v1/providers/custodian/resume", { reason: "fine" });
    await world.app.as("olga", "admin").post(`/v1/approvals/${asked.body.approvalId}/approve`, {});
    await world.app.settle();
    await world.app.advance("PT16M");
    await world.goOn();
    await world.goOn();
    expect(world.simulator.book.withdrawals.size).toBe(0);
    const [review] = await reviews();
    expect(await decided(`/v1/reviews/${review.reviewId}/decide`, "CLEAR")).toBe("succeeded");
    await world.goOn();
    expect(await stateOf(sale)).toBe("RELEASED");
    expect(world.simulator.book.withdrawals.size).toBe(1);
  });

  test("C1: a worthless token of anybody's, or excess of somebody on a list, stops nothing that is held", async () => {
    const sale = await fundedUsdcSale(world);
    world.screening.sanctioned.add("alice");
    send(world, sale, 1n, strange);
    send(world, sale, 5_000_000n);
    await world.goOn();
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
    expect((await reviews()).map((review: { state: string }) => review.state)).toEqual(["BLOCKED"]);
    expect(await decided(`/v1/deposits/${lastDeposit()}/decide`, "REFUND")).not.toBe("succeeded");
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    await world.goOn();
    expect([...world.simulator.book.withdrawals.values()]).toMatchObject([
      { to: walletOf("bob").address },
    ]);
    expect(await fundsOf(sale)).toEqual({
      funded: "262550000",
      pending: "5000000",
      released: "249500000",
      fees: "8050000",
    });
  });

  test("C4: excess that came while the payout was blocked goes back when two lifted it", async () => {
    const sale = await fundedUsdcSale(world);
    await registerRefundAddress(sale.alice);
    world.screening.sanctioned.add("bob");
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await world.app.settle();
    send(world, sale, 5_000_000n);
    await world.goOn();
    expect((await fundsOf(sale))["pending"]).toBe("5000000");
    await decidedBySecond(sale.escrowId);
    await world.goOn();
    expect(await fundsOf(sale)).toEqual({
      funded: "262550000",
      held: "250000000",
      fees: "7550000",
      refunded: "5000000",
    });
  });

  test("a deposit is not given back while another is in review, and nobody is told it was", async () => {
    const sale = await acceptedUsdcSale(world);
    await registerRefundAddress(sale.alice);
    send(world, sale, 100_000_000n);
    await world.goOn();
    const first = lastDeposit();
    world.screening.scores.set("alice", 60);
    send(world, sale, 1_000_000n);
    await world.goOn();
    expect(await decided(`/v1/deposits/${first}/decide`, "REFUND")).toBe("SCREENING_PENDING");
  });

  test("pitfall 37: a refund's wallet is screened again before the money leaves", async () => {
    const sale = await fundedUsdcSale(world);
    await registerRefundAddress(sale.alice);
    await world.app.settle();
    world.screening.sanctioned.add("alice");
    await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`, {});
    await world.app.settle();
    await world.goOn();
    expect(world.simulator.book.withdrawals.size).toBe(0);
    expect(await stateOf(sale)).toBe("BLOCKED");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", blocked: "257550000" });
  });

  test("C2: two operators lift the hit they were asked about, not one that came meanwhile", async () => {
    world.screening.sanctioned.add("alice");
    const sale = await acceptedUsdcSale(world);
    send(world, sale, 100_000_000n);
    await world.goOn();
    await decidedBySecond(sale.escrowId, async () => {
      send(world, sale, 7_000_000n);
      await world.goOn();
    });
    expect(await stateOf(sale)).toBe("BLOCKED");
    expect((await fundsOf(sale))["blocked"]).toBe("7000000");
  });
});
