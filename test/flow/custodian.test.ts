/** USDC through a custodian, from the first deposit to the last payout: what arrives, and what leaves. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mine, reorganise } from "../../src/simulators/custodian/index.ts";
import { baseChain, bridgedToken, walletOf, walletProof } from "../support/custodian-harness.ts";
import {
  acceptedUsdcSale,
  type CustodianWorld,
  fundedUsdcSale,
  fundsOf,
  openCustodianWorld,
  registerRefundAddress,
  send,
  stateOf,
} from "../support/custodian-world.ts";

setDefaultTimeout(120_000);

describe("USDC through a custodian", () => {
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

  test("P2, story 12: two deposits fund 250 USDC at finality, the seller is paid, gas is booked", async () => {
    const { app, simulator, goOn } = world;
    simulator.book.settings.networkFee = 12_345n;
    const sale = await acceptedUsdcSale(world);
    const { alice, bob, escrowId } = sale;
    const shown = await alice.get(`/v1/escrows/${escrowId}/payment`);
    expect(shown.body).toMatchObject({
      provider: "custodian",
      status: "REQUIRES_PAYMENT",
      amount: { amount: "257550000", currency: "USDC" },
      deposit: { chainId: baseChain, confirmations: "0", required: "12" },
    });
    send(world, sale, 100_000_000n);
    await goOn(3);
    const early = await alice.get(`/v1/escrows/${escrowId}/payment`);
    expect(early.body).toMatchObject({
      status: "PROCESSING",
      received: "0",
      deposit: { confirmations: "3" },
    });
    await goOn(9);
    expect(await fundsOf(sale)).toEqual({ funded: "100000000", pending: "100000000" });
    expect(await stateOf(sale)).toBe("AWAIT_FUNDS");
    send(world, sale, 157_550_000n);
    await goOn();
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
    expect(await fundsOf(sale)).toEqual({
      funded: "257550000",
      held: "250000000",
      fees: "7550000",
    });
    await bob.post(`/v1/escrows/${escrowId}/deliver`, { note: "sent" });
    await alice.post(`/v1/escrows/${escrowId}/release`, {});
    await app.settle();
    expect(await stateOf(sale)).toBe("RELEASING");
    await goOn(2);
    expect(await stateOf(sale)).toBe("RELEASED");
    expect(await fundsOf(sale)).toEqual({
      funded: "257550000",
      released: "249500000",
      fees: "8050000",
    });
    const [payout] = [...simulator.book.withdrawals.values()];
    expect(payout).toMatchObject({ to: walletOf("bob").address, amount: "249500000" });
    const books = await app.as("eva", "auditor").get("/v1/ledger/trial-balance");
    expect(books.body.currencies.USDC.accounts["platform:provider_fees"]).toBe("12345");
  });

  test("the custodian lives in real time: its books agree after the clock was moved by days", async () => {
    const { app, goOn } = world;
    await app.advance("P4D");
    const sale = await fundedUsdcSale(world);
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await app.settle();
    await goOn(2);
    await app.advance("P4D");
    const reports = await app.server.application.reconcile({ provider: "custodian" });
    expect(reports).toMatchObject([{ provider: "custodian", breaks: [], compared: 2 }]);
  });

  test("P2, pitfall 36: a reorganisation before finality takes the deposit back to pending", async () => {
    const sale = await acceptedUsdcSale(world);
    send(world, sale, 257_550_000n);
    await world.goOn(11);
    reorganise(world.simulator.book, 11);
    await world.goOn(30);
    const payment = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
    expect(payment.body).toMatchObject({
      status: "REQUIRES_PAYMENT",
      lastError: "DEPOSIT_ORPHANED",
      received: "0",
    });
    expect(await fundsOf(sale)).toEqual({});
    send(world, sale, 257_550_000n);
    await world.goOn();
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
  });

  test("story 13: a reorganisation after finality is a loss, like a chargeback lost at once", async () => {
    const sale = await fundedUsdcSale(world);
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
    reorganise(world.simulator.book, 12);
    await world.simulator.flush();
    await world.app.settle();
    expect(await stateOf(sale)).toBe("CHARGED_BACK");
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", chargedBack: "257550000" });
  });

  test("M4, pitfall 38: late USDC is refunded to the buyer's own address, the escrow stays cancelled", async () => {
    const { app, goOn, simulator } = world;
    const sale = await acceptedUsdcSale(world);
    const { alice, escrowId } = sale;
    await alice.post(`/v1/escrows/${escrowId}/cancel`, {});
    await app.settle();
    expect(await stateOf(sale)).toBe("CANCELLED");
    send(world, sale, 257_550_000n);
    await goOn();
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", reserved: "257550000" });
    expect(simulator.book.withdrawals.size).toBe(0);
    await registerRefundAddress(alice, "alice's own");
    await app.settle();
    await goOn();
    expect(await fundsOf(sale)).toEqual({ funded: "257550000", refunded: "257550000" });
    expect(await stateOf(sale)).toBe("CANCELLED");
    const [refund] = [...simulator.book.withdrawals.values()];
    expect(refund).toMatchObject({ kind: "refund", to: walletOf("alice's own").address });
  });

  test("pitfall 37: with an address at hand a refund goes there at once, never to the sender", async () => {
    const sale = await fundedUsdcSale(world);
    await registerRefundAddress(sale.alice, "alice's own");
    await world.app.settle();
    await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`, {});
    await world.app.settle();
    await world.goOn();
    expect(await stateOf(sale)).toBe("REFUNDED");
    const [refund, ...others] = [...world.simulator.book.withdrawals.values()];
    expect(others).toEqual([]);
    expect(refund).toMatchObject({ amount: "257550000", to: walletOf("alice's own").address });
    const timeline = await sale.alice.get(`/v1/escrows/${sale.escrowId}/timeline`);
    expect(JSON.stringify(timeline.body)).not.toContain("REFUND_ADDRESS_REQUIRED");
  });

  test("M4: what is sent too much goes back, what is held stays", async () => {
    const sale = await acceptedUsdcSale(world);
    await registerRefundAddress(sale.alice);
    send(world, sale, 300_000_000n);
    await world.goOn();
    await world.goOn();
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
    expect(await fundsOf(sale)).toEqual({
      funded: "300000000",
      held: "250000000",
      fees: "7550000",
      refunded: "42450000",
    });
  });

  test("M4, pitfall 36: the bridged token is another asset: an operator gives it back", async () => {
    const { app, goOn, simulator } = world;
    const operator = app.as("oscar", "admin");
    const sale = await acceptedUsdcSale(world);
    await registerRefundAddress(sale.alice);
    send(world, sale, 257_550_000n, bridgedToken);
    await goOn();
    const payment = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
    expect(payment.body).toMatchObject({ status: "WRONG_ASSET", received: "0" });
    expect(await fundsOf(sale)).toEqual({});
    const { items } = (await operator.get("/v1/deposits")).body;
    expect(items).toMatchObject([{ disposition: "WRONG_ASSET", amount: { currency: "USDBC" } }]);
    const path = `/v1/deposits/${items[0].depositId}/decide`;
    expect((await sale.alice.post(path, { decision: "REFUND" })).status).toBe(403);
    const kept = await operator.post(path, { decision: "ACCEPT" });
    expect(kept.body.commandId).toBeDefined();
    await app.settle();
    expect((await operator.get(`/v1/commands/${kept.body.commandId}`)).body).toMatchObject({
      status: "rejected",
      rejection: { code: "WRONG_ASSET" },
    });
    await operator.post(path, { decision: "REFUND" });
    await operator.post(path, { decision: "REFUND" });
    await app.settle();
    await goOn();
    const sent = [...simulator.book.withdrawals.values()];
    expect(sent).toMatchObject([
      { kind: "return", token: bridgedToken, amount: "257550000", to: walletOf("alice").address },
    ]);
    const books = await app.as("eva", "auditor").get("/v1/ledger/trial-balance");
    expect(books.body.currencies.USDBC.sum).toBe("0");
    expect(books.body.currencies.USDBC.accounts["suspense:custodian"] ?? "0").toBe("0");
    expect((await operator.get("/v1/deposits")).body.items).toEqual([]);
    send(world, sale, 257_550_000n);
    await goOn();
    expect(await stateOf(sale)).toBe("FUNDS_HELD");
  });

  test("M4: a short deposit waits for the rest, or goes back when an operator says so", async () => {
    const { app, goOn } = world;
    const sale = await acceptedUsdcSale(world);
    await registerRefundAddress(sale.alice);
    send(world, sale, 60_000_000n);
    await goOn();
    const operator = app.as("oscar", "admin");
    const { items } = (await operator.get("/v1/deposits")).body;
    expect(items.length).toBe(1);
    await operator.post(`/v1/deposits/${items[0].depositId}/decide`, { decision: "REFUND" });
    await app.settle();
    await goOn();
    expect(await fundsOf(sale)).toEqual({ funded: "60000000", refunded: "60000000" });
    expect(await stateOf(sale)).toBe("AWAIT_FUNDS");
  });

  test("O8: webhooks that come twice, backwards, or not in time change nothing", async () => {
    const { simulator, goOn } = world;
    simulator.disturb("duplicate");
    const sale = await acceptedUsdcSale(world);
    send(world, sale, 100_000_000n);
    mine(simulator.book, 12);
    simulator.disturb("reverse");
    send(world, sale, 157_550_000n);
    await goOn();
    expect(await fundsOf(sale)).toEqual({
      funded: "257550000",
      held: "250000000",
      fees: "7550000",
    });
  });

  test("P5: a withdrawal that was made and answered with an error is found and made once", async () => {
    const { app, simulator, goOn } = world;
    const sale = await fundedUsdcSale(world);
    simulator.fail("after", '"kind":"payout"');
    await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, {});
    await app.settle();
    await app.advance("PT1H");
    await goOn();
    expect(simulator.book.withdrawals.size).toBe(1);
    expect(await stateOf(sale)).toBe("RELEASED");
  });

  describe("A3: another wallet takes the place of the first, which is told to all who ask", () => {
    const methods = "/v1/parties/bob/payout-methods";
    const replaceWallet = async () => {
      const proof = await walletProof("bob", "payouts", "bob's second");
      const { address } = proof;
      const lower = { ...proof, address: address.toLowerCase() };
      return world.app.as("bob", "seller").post(methods, { provider: "custodian", ...lower });
    };

    test("its answer shows both, checksummed, and the same wallet again changes nothing", async () => {
      const bob = world.app.as("bob", "seller");
      const proof = { provider: "custodian", ...(await walletProof("bob", "payouts")) };
      const first = await bob.post(methods, proof);
      expect(first.body).toMatchObject({ account: walletOf("bob").address });
      expect((await bob.post(methods, proof)).body).toEqual(first.body);
      expect(first.body.replaced).toBeUndefined();
      const { status, body } = await replaceWallet();
      expect([status, body.payoutMethodId]).toEqual([201, first.body.payoutMethodId]);
      expect(body).toMatchObject({
        account: walletOf("bob's second").address,
        replaced: { account: walletOf("bob").address, by: "bob" },
      });
      expect((await replaceWallet()).body).toEqual(body);
      for (const reader of [bob, world.app.as("eva", "auditor")]) {
        expect((await reader.get(methods)).body).toEqual({ items: [body] });
      }
    });

    test("what was decided before goes to the first, what is decided after to the second", async () => {
      const { app, simulator, screening, goOn } = world;
      const [decided, asked, later] = [
        await fundedUsdcSale(world),
        await fundedUsdcSale(world),
        await fundedUsdcSale(world),
      ];
      simulator.fail("after", '"kind":"payout"');
      await asked.alice.post(`/v1/escrows/${asked.escrowId}/release`, {});
      await app.settle();
      expect(simulator.book.withdrawals.size).toBe(1);
      screening.down = true;
      await decided.alice.post(`/v1/escrows/${decided.escrowId}/release`, {});
      await app.settle();
      expect((await replaceWallet()).status).toBe(201);
      screening.down = false;
      await app.advance("PT1H");
      await goOn();
      await later.alice.post(`/v1/escrows/${later.escrowId}/release`, {});
      await app.settle();
      await goOn();
      for (const sale of [decided, asked, later]) expect(await stateOf(sale)).toBe("RELEASED");
      const [first, second] = [walletOf("bob").address, walletOf("bob's second").address];
      const paidTo = [...simulator.book.withdrawals.values()].map(({ to }) => to);
      expect(paidTo).toEqual([first, first, second]);
    });
  });

  test("a wallet is taken only with its own signature over party, chain and use", async () => {
    const alice = world.app.as("alice", "buyer");
    const bob = world.app.as("bob", "seller");
    const path = "/v1/parties/alice/refund-addresses";
    const wrongUse = await walletProof("alice", "payouts");
    expect((await alice.post(path, wrongUse)).body).toMatchObject({ code: "SIGNATURE_INVALID" });
    const another = { ...(await walletProof("alice", "refunds")), address: walletOf("x").address };
    expect((await alice.post(path, another)).status).toBe(422);
    const right = await walletProof("alice", "refunds");
    const broken = { ...right, address: right.address.replace(/[A-F]/, (c) => c.toLowerCase()) };
    expect((await alice.post(path, broken)).status).toBe(422);
    expect((await alice.post(path, { ...right, chainId: "1" })).status).toBe(422);
    expect((await bob.post(path, right)).status).toBe(404);
    expect((await alice.post(path, right)).status).toBe(201);
    const taken = await walletProof("bob", "refunds", "alice");
    const second = await bob.post("/v1/parties/bob/refund-addresses", taken);
    expect(second.body).toMatchObject({ code: "ADDRESS_TAKEN" });
  });
});
