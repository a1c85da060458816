// One list of what waits for an operator, most urgent first, each with the route that acts.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { startAppWith, type TestApp } from "../support/app.ts";
import { fundedEscrow } from "../support/sale.ts";

setDefaultTimeout(60_000);

let app: TestApp;
beforeAll(async () => {
  app = await startAppWith({});
});
afterAll(() => app.stop());

test("a stopped provider, disputes by the arbiter's deadline, and blocked releases are listed", async () => {
  const slow = await fundedEscrow(app, { terms: { arbiterDeadline: "P20D" } });
  const quick = await fundedEscrow(app, { terms: { arbiterDeadline: "P10D" } });
  const blocked = await fundedEscrow(app);
  for (const { alice, escrowId } of [slow, quick]) {
    await alice.post(`/v1/escrows/${escrowId}/dispute`, { reason: "scratched" });
  }
  const olga = app.as("olga", "admin");
  await olga.post("/v1/providers/sandbox/stop", { reason: "a drill" });
  await blocked.alice.post(`/v1/escrows/${blocked.escrowId}/release`);
  await app.settle();

  const { items } = (await app.as("audrey", "auditor").get("/v1/work-items")).body;
  const resume = "POST /v1/providers/sandbox/resume";
  expect(items).toMatchObject([
    { kind: "RELEASES_STOPPED", id: "sandbox", code: "OPERATOR", dueAt: null, action: resume },
    { kind: "DISPUTED", id: quick.escrowId, action: `POST /v1/escrows/${quick.escrowId}/resolve` },
    { kind: "DISPUTED", id: slow.escrowId, amount: { amount: "10000", currency: "USD" } },
    { kind: "RELEASE_BLOCKED", id: blocked.escrowId, code: "PROVIDER_STOPPED", action: resume },
  ]);
  expect(Date.parse(items[1].dueAt)).toBeLessThan(Date.parse(items[2].dueAt));
});

test("a release the provider refused is asked for anew by the route that is named", async () => {
  const { alice, escrowId } = await fundedEscrow(app, { sellerId: "carl_refused" });
  const olga = app.as("olga", "admin");
  const resumed = await olga.post("/v1/providers/sandbox/resume", { reason: "over" });
  await app.as("otto", "admin").post(`/v1/approvals/${resumed.body.approvalId}/approve`);
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await app.settle();
  const { items } = (await olga.get("/v1/work-items")).body;
  const item = items.find(({ id }: { id: string }) => id === escrowId);
  expect(item).toMatchObject({
    kind: "RELEASE_BLOCKED",
    code: "PROVIDER_REFUSED",
    action: `POST /v1/escrows/${escrowId}/release`,
  });
  const asked = await olga.post(item.action.replace("POST ", ""), {});
  const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
  expect((await app.as("otto", "admin").post(approve)).body.status).toBe("succeeded");
});
