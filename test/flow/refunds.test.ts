import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { fundedEscrow, type Sale } from "../support/sale.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(async () => {
  const report = await app.server.application.verify();
  await app.stop();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

const viewOf = async ({ alice, escrowId }: Sale) =>
  (await alice.get(`/v1/escrows/${escrowId}`)).body;

test("pitfall 12: what was paid out is not refunded over the seller's head", async () => {
  const sale = await fundedEscrow(app);
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  const refused = await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`);
  expect([refused.status, refused.body.code]).toEqual([409, "ALREADY_SETTLED"]);
  expect(await viewOf(sale)).toMatchObject({ state: "RELEASED", funds: { refunded: "0" } });
});
