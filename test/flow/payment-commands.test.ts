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
  const sent = await alice.post(path, {}, { key: "renewal", wait: false });
  expect(sent.status).toBe(202);
  await app.settle();
  const outcome = await alice.get(sent.headers.get("Location") ?? "");
  expect(outcome.body).toMatchObject({ status: "succeeded", seen: true, escrowId });
  expect(outcome.body.eventIds).toHaveLength(1);

  const other = await alice.post(
    path,
    { returnUrl: "https://example.org/" },
    { key: "renewal", wait: false },
  );
  expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_CONFLICT"]);
  // Another process may have taken it: then the outcome's fingerprint tells.
  const elsewhere = `/v1/commands/${sent.body.commandId}?f=${"0".repeat(64)}`;
  const conflict = await alice.get(elsewhere);
  expect([conflict.status, conflict.body.code]).toEqual([422, "IDEMPOTENCY_CONFLICT"]);
});

test("a rejected one says why, and is no business of a stranger", async () => {
  const { alice, escrowId } = await fundedEscrow(app);
  const sent = await alice.post(`/v1/escrows/${escrowId}/payment`, {}, { wait: false });
  await app.settle();
  const location = sent.headers.get("Location") ?? "";
  expect((await alice.get(location)).body).toMatchObject({
    status: "rejected",
    rejection: { code: "ALREADY_FUNDED" },
  });
  const stranger = await app.as("mallory").get(location);
  expect(stranger.body).toMatchObject({
    status: "pending",
    seen: false,
    note: expect.stringContaining("repeat the request with the same Idempotency-Key"),
  });
});

test("an operator's retry has its outcome", async () => {
  const { escrowId } = await fundedEscrow(app);
  const [operation] = await stores.databases.payments.sql<{ id: string }>`
    SELECT operation_id AS id FROM payments.operation WHERE escrow_id = ${escrowId}`;
  const root = app.as("root", "admin");
  const sent = await root.post(`/v1/payments/${operation?.id}/retry`, {}, { wait: false });
  await app.settle();
  expect((await root.get(sent.headers.get("Location") ?? "")).body).toMatchObject({
    status: "rejected",
    rejection: { code: "ALREADY_SETTLED" },
  });
});

test("Prefer: wait is honoured for payments' commands as for the escrow's", async () => {
  const { alice, escrowId } = await acceptedEscrow(app);
  const path = `/v1/escrows/${escrowId}/payment`;
  const renewed = await alice.post(path, {}, { key: "waited" });
  expect([renewed.status, renewed.headers.get("Preference-Applied")]).toEqual([200, "wait"]);
  expect(renewed.body).toMatchObject({ status: "succeeded", escrow: { escrowId } });
  const again = await alice.post(path, {}, { key: "waited" });
  expect([again.status, again.headers.get("Idempotent-Replay")]).toEqual([200, "true"]);
  const other = await alice.post(path, { returnUrl: "https://example.org/" }, { key: "waited" });
  expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_CONFLICT"]);

  const { escrowId: funded } = await fundedEscrow(app);
  const refused = await alice.post(`/v1/escrows/${funded}/payment`, {});
  expect([refused.status, refused.body.code]).toEqual([409, "ALREADY_FUNDED"]);
});
