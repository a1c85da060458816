import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { releasedSale } from "../support/disputes.ts";
import { fundedEscrow } from "../support/sale.ts";

setDefaultTimeout(60_000);

let app: TestApp;
let escrowId: string;
beforeAll(async () => {
  app = await startApp();
  ({ escrowId } = await fundedEscrow(app));
  const stopped = await app.as("olga", "admin").post("/v1/providers/sandbox/stop", {
    reason: "a drill",
  });
  expect(stopped.status).toBe(200);
});
afterAll(async () => {
  await app.stop();
});

/** Operators' actions that need a second one, and what they answer once approved; debts: disputes.test.ts. */
const actions: readonly (readonly [string, () => string, object, number])[] = [
  ["release", () => `/v1/escrows/${escrowId}/release`, { amount: "1000" }, 200],
  ["refund", () => `/v1/escrows/${escrowId}/refund`, { amount: "1000" }, 200],
  ["unblocking", () => `/v1/escrows/${escrowId}/unblock`, {}, 409],
  ["resuming a provider", () => "/v1/providers/sandbox/resume", { reason: "over" }, 200],
];

test.each([...actions])(
  "C4: %s is not asked and approved by one person",
  async (_, path, body, then) => {
    const olga = app.as("olga", "admin");
    const asked = await olga.post(path(), body);
    expect(asked).toMatchObject({ status: 202, body: { status: "awaiting_approval" } });
    const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
    const faces = [olga, app.as("olga", "admin", "auditor", "service")];
    for (const face of faces) {
      expect(await face.post(approve)).toMatchObject({
        status: 403,
        body: { code: "APPROVAL_REQUIRED" },
      });
    }
    const behalf = { headers: { "On-Behalf-Of": "otto" } };
    const inDisguise = await app.as("olga", "admin", "service").post(approve, {}, behalf);
    expect(inDisguise.status).toBe(403);
    for (const role of ["auditor", "buyer", "service"]) {
      expect((await app.as("otto", role).post(approve)).status).toBe(403);
    }
    const otto = app.as("otto", "admin");
    const waiting = async () => JSON.stringify((await otto.get("/v1/approvals")).body);
    expect(await waiting()).toContain(asked.body.approvalId);
    expect((await otto.post(approve)).status).toBe(then);
    expect(await waiting()).not.toContain(asked.body.approvalId);
  },
);

test("C4: the second operator sees whose debt is given up, and which transfer is taken back", async () => {
  const sale = await releasedSale(app, { sellerId: "gina" });
  const gina = app.as("gina", "seller");
  const { lines } = (await gina.get(`/v1/statements?escrow=${sale.escrowId}`)).body;
  const { reference: operationId } = lines.at(-1);
  const olga = app.as("olga", "admin");
  const reversal = await olga.post(`/v1/payments/${operationId}/reverse`, { amount: "900" });
  expect(reversal.body.status).toBe("awaiting_approval");
  await gina.post("/v1/parties/gina/payout-methods", { provider: "sandbox" });
  await gina.post("/sandbox/parties/gina/payout", { amount: "9950" });
  await app.settle();
  await sale.close(await sale.dispute({ amount: "4000" }), "lost");
  const writeOff = await olga.post("/v1/debts/gina/write-off", { amount: "700", currency: "USD" });
  expect(writeOff.body).toMatchObject({ status: "awaiting_approval" });
  const { approvals } = (await app.as("otto", "admin").get("/v1/approvals")).body;
  const own = [reversal, writeOff].map(({ body }) => body.approvalId);
  const shown = approvals.filter(({ approvalId }: { approvalId: string }) =>
    own.includes(approvalId),
  );
  expect(shown).toMatchObject([
    { action: "reverseTransfer", operationId, amount: "900", currency: "USD" },
    { action: "writeOffDebt", partyId: "gina", amount: "700", currency: "USD" },
  ]);
});

test("C4: the second operator sees how much and why before he approves", async () => {
  const olga = app.as("olga", "admin");
  const funded = await fundedEscrow(app);
  await olga.post(`/v1/escrows/${funded.escrowId}/refund`, { reason: "a complaint" });
  await olga.post(`/v1/escrows/${funded.escrowId}/refund`, { amount: "700" });
  await olga.post(`/v1/escrows/${funded.escrowId}/release`, { reason: "the buyer has died" });
  await olga.post("/v1/providers/sandbox/stop", { reason: "a drill" });
  await olga.post("/v1/providers/sandbox/resume", { reason: "the drill is over" });
  const { approvals } = (await app.as("otto", "admin").get("/v1/approvals")).body;
  const shown = (approvals as { escrowId?: string; action: string }[])
    .filter(({ escrowId, action }) => escrowId === funded.escrowId || action === "resumeProvider")
    .map(({ action, amount, reason }: Record<string, string>) => ({ action, amount, reason }));
  expect(shown).toEqual([
    { action: "refundEscrow", amount: "all", reason: "a complaint" },
    { action: "refundEscrow", amount: "700", reason: undefined },
    { action: "releaseFunds", amount: "all", reason: "the buyer has died" },
    { action: "resumeProvider", amount: undefined, reason: "the drill is over" },
  ] as typeof shown);
});
