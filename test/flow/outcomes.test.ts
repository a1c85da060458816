import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { acceptedEscrow, createEscrow, fundedEscrow, pay, type Sale } from "../support/sale.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(async () => {
  // After all stories together, not only after each.
  const report = await app.server.application.verify();
  await app.stop();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

async function shown({ alice, escrowId }: Sale) {
  return (await alice.get(`/v1/escrows/${escrowId}`)).body;
}

const milestones = [
  { milestoneId: "m1", title: "Design", amount: "3333" },
  { milestoneId: "m2", title: "Build", amount: "3333" },
  { milestoneId: "m3", title: "Ship", amount: "3334" },
];

test("M1, M2, story 3: milestones release and refund alone; fees add up to the unit", async () => {
  const sale = await fundedEscrow(app, { milestones });
  const { escrowId, alice, bob } = sale;
  await alice.post(`/v1/escrows/${escrowId}/release`, { milestoneId: "m1" });
  await app.settle();
  await alice.post(`/v1/escrows/${escrowId}/release`, { milestoneId: "m2", amount: "300" });
  await app.settle();
  expect((await shown(sale)).funds).toMatchObject({ released: "3615", held: "6367" });
  await bob.post(`/v1/escrows/${escrowId}/refund`, { milestoneId: "m3" });
  await app.settle();
  expect((await shown(sale)).funds).toMatchObject({ refunded: "3440", held: "3033" });
  await alice.post(`/v1/escrows/${escrowId}/release`, { milestoneId: "m2" });
  await app.settle();
  const done = await shown(sale);
  expect(done.state).toBe("CLOSED");
  expect(done.funds).toMatchObject({
    funded: "10320",
    released: "6633",
    refunded: "3440",
    fees: "247",
  });
});

test("M2: of many partial releases at once, none takes more than is held", async () => {
  const sale = await fundedEscrow(app);
  const { escrowId, alice } = sale;
  const answers = await Promise.all(
    Array.from({ length: 30 }, () =>
      alice.post(`/v1/escrows/${escrowId}/release`, { amount: "700" }),
    ),
  );
  const succeeded = answers.filter(({ status }) => status === 200).length;
  expect(succeeded).toBe(14);
  const codes = new Set(
    answers.filter(({ status }) => status !== 200).map(({ body }) => body.code),
  );
  expect([...codes]).toEqual(["INSUFFICIENT_HELD"]);
  await app.settle();
  expect((await shown(sale)).funds).toMatchObject({ held: "200", reserved: "0", fees: "369" });
});

test("L5, story 5: the seller gives everything back, the buyer's fee included", async () => {
  const sale = await fundedEscrow(app);
  const refund = await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`);
  expect(refund.body.escrow.state).toBe("REFUNDING");
  await app.settle();
  const done = await shown(sale);
  expect(done.state).toBe("REFUNDED");
  expect(done.funds).toMatchObject({ refunded: "10320", fees: "0", held: "0" });
});

test("T1: nobody pays in time, the escrow is cancelled by its deadline", async () => {
  const sale = await acceptedEscrow(app);
  const early = await app.advance("PT71H");
  expect(early.status).toBe(200);
  expect((await shown(sale)).state).toBe("AWAIT_FUNDS");
  await app.advance("PT2H");
  expect((await shown(sale)).state).toBe("CANCELLED");
});

test("L4, story 6: a cancel that races a payment ends with a full refund", async () => {
  const sale = await acceptedEscrow(app);
  // Both are under way at once; whichever payments hears of first, nothing is kept and nothing is both.
  const cancelled = sale.alice.post(`/v1/escrows/${sale.escrowId}/cancel`);
  await pay(sale);
  expect((await cancelled).status).toBe(200);
  await app.settle();
  const done = await shown(sale);
  expect(done.state).toBe("CANCELLED");
  expect(done.funds).toMatchObject({ held: "0", reserved: "0", pending: "0", fees: "0" });
  expect(done.funds.refunded).toBe(done.funds.funded);
});

test("D3, story 4: a dispute is split by the arbiter, fees out of the shares", async () => {
  const sale = await fundedEscrow(app);
  const { escrowId, alice } = sale;
  await alice.post(`/v1/escrows/${escrowId}/dispute`, { reason: "scratched" });
  expect((await shown(sale)).state).toBe("DISPUTED");
  const locked = await alice.post(`/v1/escrows/${escrowId}/release`);
  expect([locked.status, locked.body.code]).toEqual([409, "ESCROW_LOCKED"]);
  const resolved = await app
    .as("judge", "admin")
    .post(`/v1/escrows/${escrowId}/resolve`, { buyer: "4000", seller: "6000", reason: "half" });
  expect(resolved.status).toBe(200);
  const story = (await app.as("judge", "admin").get(`/v1/escrows/${escrowId}/timeline`)).body.items;
  const written = story.map(({ text }: { text: string }) => text).filter((text: string) => text);
  expect(written).toEqual(["scratched", "half"]);
  const summaries = story.map(({ summary }: { summary: string }) => summary);
  expect(summaries).toContain("command rejected: ESCROW_LOCKED");
  await app.settle();
  const done = await shown(sale);
  expect(done.state).toBe("CLOSED");
  expect(done.funds).toMatchObject({ released: "5970", refunded: "4128", fees: "222" });
});

test("D4: the arbiter is silent, the default outcome is applied once", async () => {
  const sale = await fundedEscrow(app, { terms: { arbiterDeadline: "P10D" } });
  await sale.bob.post(`/v1/escrows/${sale.escrowId}/dispute`, { reason: "no answer" });
  await app.advance("P11D");
  const done = await shown(sale);
  expect(done.state).toBe("REFUNDED");
  const { items } = (await sale.alice.get(`/v1/escrows/${sale.escrowId}/timeline`)).body;
  const said = items.filter(({ type }: { type: string }) => type.endsWith("EscrowDisputeResolved"));
  expect(said).toHaveLength(1);
});

test("T1: the buyer says nothing after delivery, the money is released by itself", async () => {
  const sale = await fundedEscrow(app);
  await sale.bob.post(`/v1/escrows/${sale.escrowId}/deliver`);
  await app.advance("P6D");
  expect((await shown(sale)).state).toBe("DELIVERED");
  await app.advance("P2D");
  expect((await shown(sale)).state).toBe("RELEASED");
});

test("T4: a dispute stops the clock, its withdrawal resumes it to the second", async () => {
  const sale = await fundedEscrow(app);
  const { escrowId, alice, bob } = sale;
  await bob.post(`/v1/escrows/${escrowId}/deliver`);
  await app.advance("P5D");
  await alice.post(`/v1/escrows/${escrowId}/dispute`, { reason: "wait" });
  await app.advance("P20D");
  expect((await shown(sale)).state).toBe("DISPUTED");
  await alice.post(`/v1/escrows/${escrowId}/withdraw-dispute`);
  await app.advance("P1D");
  expect((await shown(sale)).state).toBe("DELIVERED");
  await app.advance("P1DT1M");
  expect((await shown(sale)).state).toBe("RELEASED");
});

test("M4, story 7: a short payment waits for the rest, the excess goes back", async () => {
  const sale = await acceptedEscrow(app);
  await pay(sale, { amount: "6000" });
  await app.settle();
  expect((await shown(sale)).funds).toMatchObject({ funded: "6000", pending: "6000" });
  await pay(sale, { amount: "4820" });
  await app.settle();
  const done = await shown(sale);
  expect(done.state).toBe("FUNDS_HELD");
  expect(done.funds).toMatchObject({
    funded: "10820",
    held: "10000",
    fees: "320",
    refunded: "500",
  });
});

test("pitfall 9, story 11: a seller who cannot receive blocks the release, which resumes by itself", async () => {
  const alice = app.as("alice", "buyer");
  const bob = app.as("bob_unready", "seller");
  const sale = { ...(await createEscrow(app, { sellerId: "bob_unready" })), alice, bob };
  await bob.post(`/v1/escrows/${sale.escrowId}/accept`, { termsHash: sale.termsHash });
  await app.settle();
  await pay(sale);
  await app.settle();
  await alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  const blocked = await shown(sale);
  expect(blocked.state).toBe("RELEASE_BLOCKED");
  expect(blocked.funds).toMatchObject({ held: "10000", reserved: "0" });
  const method = await bob.post("/v1/parties/bob_unready/payout-methods", { provider: "sandbox" });
  expect(method.status).toBe(201);
  const ready = await bob.post("/sandbox/parties/bob_unready/readiness", { ready: true });
  expect(ready.status).toBe(202);
  await app.settle();
  expect((await shown(sale)).state).toBe("RELEASED");
});

test("L4: after funding, a cancel of one party is an offer that the other completes", async () => {
  const sale = await fundedEscrow(app);
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/cancel`);
  expect((await shown(sale)).state).toBe("FUNDS_HELD");
  await sale.bob.post(`/v1/escrows/${sale.escrowId}/cancel`);
  await app.settle();
  expect((await shown(sale)).funds).toMatchObject({ refunded: "10320", held: "0" });
});
