import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { acceptedEscrow, fundedEscrow } from "../support/sale.ts";

let stores: Stores;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(async () => {
  const report = await app.server.application.verify();
  await app.stop();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

test("a renewed payment's command is seen and has its outcome; another body is told so", async () => {
  const { alice, escrowId } = await acceptedEscrow(app);
  const path = `/v1/escrows/${escrowId}/payment`;
  const sent = await alice.post(path, {}, { key: "renewal" });
  expect(sent.status).toBe(202);
  await app.settle();
  const outcome = await alice.get(sent.headers.get("Location") ?? "");
  expect(outcome.body).toMatchObject({ status: "succeeded", seen: true, escrowId });
  expect(outcome.body.eventIds).toHaveLength(1);

  const other = await alice.post(path, { returnUrl: "https://example.org/" }, { key: "renewal" });
  expect(other.body.commandId).toBe(sent.body.commandId);
  await app.settle();
  const conflict = await alice.get(other.headers.get("Location") ?? "");
  expect([conflict.status, conflict.body.code]).toEqual([422, "IDEMPOTENCY_CONFLICT"]);
  const kept = await stores.databases.payments.sql`
    SELECT command_id FROM payments.command_conflict`;
  expect(kept).toEqual([{ command_id: sent.body.commandId }]);
});

test("a rejected one says why, and is no business of a stranger", async () => {
  const { alice, escrowId } = await fundedEscrow(app);
  const sent = await alice.post(`/v1/escrows/${escrowId}/payment`, {});
  await app.settle();
  const location = sent.headers.get("Location") ?? "";
  expect((await alice.get(location)).body).toMatchObject({
    status: "rejected",
    rejection: { code: "ALREADY_FUNDED" },
  });
  const stranger = await app.as("mallory").get(location);
  expect(stranger.body).toMatchObject({ status: "pending", seen: false });
});

test("an operator's retry has its outcome", async () => {
  const { escrowId } = await fundedEscrow(app);
  const [operation] = await stores.databases.payments.sql<{ id: string }>`
    SELECT operation_id AS id FROM payments.operation WHERE escrow_id = ${escrowId}`;
  const root = app.as("root", "admin");
  const sent = await root.post(`/v1/payments/${operation?.id}/retry`, {});
  await app.settle();
  expect((await root.get(sent.headers.get("Location") ?? "")).body).toMatchObject({
    status: "rejected",
    rejection: { code: "ALREADY_SETTLED" },
  });
});
