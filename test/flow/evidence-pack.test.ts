/** R5: one call has all that a bank wants to see, while there is time, and it can be proven. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { canonicalJson } from "#platform/http/idempotency";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { fundedSale } from "../support/disputes.ts";

let stores: Stores;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(() => app.stop());

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

test("R5: terms, acceptance, delivery, messages and payment, before the bank's date", async () => {
  const sale = await fundedSale(app, { description: "As new, with its case." });
  const { alice, bob, escrowId } = sale;
  await bob.post(`/v1/escrows/${escrowId}/deliver`, { note: "tracking 123" });
  const file = sha256("a photo of the parcel");
  await bob.post(`/v1/escrows/${escrowId}/evidence`, { text: "the parcel", sha256: file });
  await sale.dispute();
  const path = `/v1/escrows/${escrowId}/evidence-pack`;
  const { status, body } = await sale.root.get(path);
  expect(status).toBe(200);
  const { sha256: seal, ...pack } = body;
  expect(sha256(canonicalJson(pack))).toBe(seal);
  expect(pack.terms).toMatchObject({ title: "A used lens", description: "As new, with its case." });
  expect(sha256(pack.terms.canonical)).toBe(sale.termsHash);
  expect(pack.acceptance).toMatchObject([
    { by: "alice", termsHash: sale.termsHash },
    { by: "bob", termsHash: sale.termsHash },
  ]);
  expect(pack.delivery).toMatchObject([{ note: "tracking 123", milestoneIds: ["m1"] }]);
  expect(pack.messages).toContainEqual(
    expect.objectContaining({
      by: "bob",
      text: "the parcel",
      textSha256: sha256("the parcel"),
      fileSha256: file,
    }),
  );
  expect(pack.payment).toMatchObject({
    provider: "sandbox",
    received: "10320",
    deposits: [{ amount: "10320" }],
    disputes: [{ kind: "DISPUTE", taken: "10320" }],
  });
  expect(Date.parse(pack.dueBy)).toBeGreaterThan(Date.parse(pack.builtAt));
  const types = pack.timeline.map(({ type }: { type: string }) => type);
  expect([types[0], types.at(-1)]).toEqual([
    "escrow.v1.EscrowCreated",
    "escrow.v1.EscrowFundsChanged",
  ]);
  const [stored] = await stores.databases.escrow.sql<{ payload: Uint8Array }>`
    SELECT payload FROM escrow.history WHERE event_id = ${pack.timeline[0].eventId}`;
  const bytes = createHash("sha256")
    .update(stored?.payload ?? "")
    .digest("hex");
  expect(pack.timeline[0].sha256).toBe(bytes);

  expect((await app.as("rita", "auditor").get(path)).status).toBe(200);
  expect((await alice.get(path)).status).toBe(403);
  expect((await app.as("eve").get(path)).status).toBe(404);
});
