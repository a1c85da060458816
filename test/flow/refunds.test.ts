import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { eventually } from "../support/logs.ts";
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

test("a refund costs the provider's fee: operators are told what is missing for what is held", async () => {
  const [sale, held] = [await fundedEscrow(app), await fundedEscrow(app)];
  const atSandbox = async () => {
    const providers = (await app.as("root", "admin").get("/v1/providers")).body.items;
    const { cover } = providers.find(({ name }: { name: string }) => name === "sandbox");
    return cover[0];
  };
  const notices = async (): Promise<string[]> =>
    (await app.as("root", "admin").get("/readyz")).body.notices;
  // What the sellers' fees will bring in again is no matter for anybody.
  expect(await atSandbox()).toMatchObject({ cover: "-18", feesToCome: "100", uncovered: false });
  expect(await notices()).toEqual([]);
  expect((await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`)).status).toBe(200);
  await app.settle();
  expect(await atSandbox()).toMatchObject({ cover: "-338", feesToCome: "50", uncovered: true });
  const told = "338 USD (minor units) too little lies at sandbox for what is owed out of it";
  await eventually(async () => (await notices()).some((notice) => notice.startsWith(told)));
  await app.advance("PT2M");
  await app.server.application.reconcile({});
  const { checks } = await app.server.application.verify();
  expect(checks.find(({ id }) => id === "I11")).toMatchObject({
    ok: true,
    name: expect.stringContaining("cover -338 USD (minor units)"),
  });
  await held.alice.post(`/v1/escrows/${held.escrowId}/release`);
  await app.settle();
});

test("pitfall 12: what was paid out is not refunded over the seller's head", async () => {
  const sale = await fundedEscrow(app);
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  const refused = await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`);
  expect([refused.status, refused.body.code]).toEqual([409, "ALREADY_SETTLED"]);
  expect(await viewOf(sale)).toMatchObject({ state: "RELEASED", funds: { refunded: "0" } });
});
