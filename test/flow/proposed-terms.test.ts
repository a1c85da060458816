// What one party proposes the other can read, with the hash he accepts it by.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { acceptedEscrow, createEscrow } from "../support/sale.ts";

setDefaultTimeout(60_000);

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

const lower = {
  title: "A used lens, scratched",
  amount: "8000",
  milestones: [
    { milestoneId: "m1", amount: "5000", title: "the glass" },
    { milestoneId: "m2", amount: "3000", title: "the cap" },
  ],
  terms: { autoRelease: "P14D" },
};

test("what waits for the other party is shown whole: terms, fees, hash, who and when", async () => {
  const { escrowId, termsHash, alice, bob } = await createEscrow(app);
  const path = `/v1/escrows/${escrowId}`;
  expect((await bob.get(path)).body.proposedTerms).toBeUndefined();
  expect((await alice.post(`${path}/amend`, lower)).status).toBe(200);
  await app.settle();

  const { items } = (await bob.get(`${path}/timeline`)).body;
  const line = items.find(({ type }: { type: string }) => type.endsWith("AmendmentProposed"));
  const { amount, termsHash: standing, proposedTerms } = (await bob.get(path)).body;
  expect([amount.amount, standing]).toEqual(["10000", termsHash]);
  expect(proposedTerms).toMatchObject({
    proposedBy: "alice",
    proposedAt: line.at,
    title: "A used lens, scratched",
    amount: { amount: "8000", currency: "USD" },
    milestones: [
      { milestoneId: "m1", amount: "5000", title: "the glass" },
      { milestoneId: "m2", amount: "3000", title: "the cap" },
    ],
    fees: { buyer: "262", seller: "50", total: "312" },
    terms: { autoRelease: "P14D", fundingDeadline: "PT72H", revision: 2 },
  });

  expect(line.summary).toContain("8000 USD (m1 5000, m2 3000)");
  expect(line.summary).toContain(proposedTerms.termsHash);

  const agreed = await bob.post(`${path}/amend`, { termsHash: proposedTerms.termsHash });
  expect(agreed.status).toBe(200);
  await app.settle();
  const after = (await alice.get(path)).body;
  expect(after.proposedTerms).toBeUndefined();
  expect([after.amount.amount, after.termsHash]).toEqual(["8000", proposedTerms.termsHash]);
});

test("a later proposal takes the place of the first, and a cancel ends it", async () => {
  const { escrowId, alice, bob } = await acceptedEscrow(app);
  const path = `/v1/escrows/${escrowId}`;
  await alice.post(`${path}/amend`, { terms: { autoRelease: "P10D" } });
  await bob.post(`${path}/amend`, { terms: { autoRelease: "P20D" } });
  await app.settle();
  const { proposedTerms } = (await alice.get(path)).body;
  expect([proposedTerms.proposedBy, proposedTerms.terms.autoRelease]).toEqual(["bob", "P20D"]);
  await bob.post(`${path}/cancel`);
  await app.settle();
  expect((await alice.get(path)).body.proposedTerms).toBeUndefined();
});

test("a rebuild shows the same proposal", async () => {
  const { escrowId, alice, bob } = await createEscrow(app);
  await alice.post(`/v1/escrows/${escrowId}/amend`, lower);
  await app.settle();
  const before = (await bob.get(`/v1/escrows/${escrowId}`)).body;
  await app.server.application.rebuild();
  await app.settle();
  const after = (await bob.get(`/v1/escrows/${escrowId}`)).body;
  expect(after).toEqual(before);
  expect(after.proposedTerms.amount.amount).toBe("8000");
});

test("the standing terms can be accepted beside a proposal; then its money stays as agreed", async () => {
  const { escrowId, termsHash, alice, bob } = await createEscrow(app);
  const path = `/v1/escrows/${escrowId}`;
  await alice.post(`${path}/amend`, lower);
  await app.settle();
  const { proposedTerms } = (await bob.get(path)).body;
  expect((await bob.post(`${path}/accept`, { termsHash })).status).toBe(200);
  await app.settle();
  const late = await bob.post(`${path}/amend`, { termsHash: proposedTerms.termsHash });
  expect([late.status, late.body.code]).toEqual([422, "TERMS_IMMUTABLE"]);
  await app.settle();
  expect((await bob.get(path)).body.amount.amount).toBe("10000");
});
