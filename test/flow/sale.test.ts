import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { createEscrow, fundedEscrow } from "../support/sale.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

test("a sale goes from creation to RELEASED, and the books agree", async () => {
  const { escrowId, alice, bob } = await fundedEscrow(app);
  const held = await alice.get(`/v1/escrows/${escrowId}`);
  expect(held.body.state).toBe("FUNDS_HELD");
  expect(held.body.funds).toMatchObject({ funded: "10320", held: "10000", fees: "320" });

  await bob.post(`/v1/escrows/${escrowId}/deliver`, { note: "tracking 123" });
  const released = await alice.post(`/v1/escrows/${escrowId}/release`);
  expect(released.status).toBe(200);
  expect(released.body.escrow.state).toBe("RELEASING");
  await app.settle();

  const done = await alice.get(`/v1/escrows/${escrowId}`);
  expect(done.body.state).toBe("RELEASED");
  expect(done.body.funds).toMatchObject({
    released: "9950",
    fees: "370",
    held: "0",
    reserved: "0",
  });
  const report = await app.server.application.verify();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

test("money is never held before both have accepted the same terms", async () => {
  const { escrowId, alice, bob } = await createEscrow(app);
  expect((await alice.post(`/v1/escrows/${escrowId}/release`)).body.code).toBe("NOT_FUNDED");
  const wrong = await bob.post(`/v1/escrows/${escrowId}/accept`, { termsHash: "0".repeat(64) });
  expect(wrong.body.code).toBe("TERMS_HASH_MISMATCH");
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("PROPOSED");
});
