/** Requests that people send by mistake are answered in words they can use. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { explain } from "../../src/cli/exit.ts";
import { lockDataDir } from "../../src/platform/database/data-dir.ts";
import { startApp, type TestApp } from "../support/app.ts";
import { fundedSale } from "../support/disputes.ts";
import { createEscrow } from "../support/sale.ts";

setDefaultTimeout(60_000);

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(async () => {
  await app.stop();
});

test("a field that is missing is called missing, not a broken pattern", async () => {
  const alice = app.as("alice", "buyer");
  const answer = await alice.post("/v1/escrows", {
    sellerId: "bob",
    amount: { amount: "10000", currency: "USD" },
    title: "A used lens",
  });
  expect(answer).toMatchObject({
    status: 422,
    body: { field: "buyerId", detail: "This field is required." },
  });
  const wrong = await alice.post("/v1/escrows", {
    buyerId: "a b",
    sellerId: "bob",
    amount: { amount: "10000", currency: "USD" },
    title: "A used lens",
  });
  expect(wrong.body.field).toBe("buyerId");
  expect(wrong.body.detail).not.toBe("This field is required.");
});

test("a body above every limit is refused as a problem, with a length and without", async () => {
  const huge = new Uint8Array(2_000_000).fill(32);
  const stream = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(huge);
        controller.close();
      },
    });
  for (const body of [huge, stream()]) {
    const headers = { "Content-Type": "application/json", "Sandbox-Signature": "t=1,v1=00" };
    const answer = await fetch(`${app.url}/v1/webhooks/sandbox`, { method: "POST", headers, body });
    expect(answer.status).toBe(413);
    expect(answer.headers.get("Content-Type")).toContain("application/problem+json");
    expect(await answer.json()).toMatchObject({ code: "BODY_TOO_LARGE" });
  }
});

test("a statement that ends before it begins is a mistake", async () => {
  const path = "/v1/statements?from=2030-01-02T00:00:00Z&until=2030-01-01T00:00:00Z";
  const answer = await app.as("root", "admin").get(path);
  expect(answer).toMatchObject({ status: 422, body: { field: "from" } });
});

test("Prefer: wait=banana is no preference that is understood, and is ignored", async () => {
  const { alice, escrowId } = await createEscrow(app);
  const headers = { Prefer: "wait=banana" };
  const answer = await alice.post(`/v1/escrows/${escrowId}/cancel`, {}, { wait: false, headers });
  expect([answer.status, answer.headers.get("Preference-Applied")]).toEqual([202, null]);
});

test("a hosted page is refused by name", async () => {
  const { alice, escrowId } = await createEscrow(app);
  const answer = await alice.post(`/v1/escrows/${escrowId}/payment`, { mode: "hosted" });
  expect(answer).toMatchObject({
    status: 422,
    body: { code: "HOSTED_UNSUPPORTED", field: "mode" },
  });
});

test("whoever erases a party that was never here is told so", async () => {
  const root = app.as("root", "admin");
  await app.as("erna", "seller").put("/v1/parties/erna", { name: "Erna" });
  const erase = async (party: string) =>
    (await root.delete(`/v1/parties/${party}/personal-data`)).body.known;
  expect([await erase("erna"), await erase("ernna")]).toEqual([true, false]);
});

test("a data folder that is a file is one clear line", async () => {
  const refused = await lockDataDir("/etc/passwd").catch(explain);
  expect(refused).toEqual({
    code: 3,
    message: 'wrong settings:\n  DATA_DIR: "/etc/passwd" is a file; expected a folder',
  });
});

test("no party plays the bank that takes its own money back; its marketplace's key may", async () => {
  const sale = await fundedSale(app);
  const dispute = `/sandbox/payments/${sale.paymentId}/dispute`;
  for (const party of [sale.alice, sale.bob, app.as("eva", "auditor")]) {
    expect((await party.post(dispute)).status).toBe(403);
  }
  expect((await app.as("mallory").post(dispute)).status).toBe(404);
  const disputeId = await sale.dispute();
  const close = `/sandbox/disputes/${disputeId}/close`;
  expect((await sale.alice.post(close, { outcome: "won" })).status).toBe(403);
  await sale.close(disputeId, "won");
});

test("a marketplace's backend reads the payment and the books of what it created, nobody else's", async () => {
  const shop = app.as("shop", "service");
  const created = await shop.post("/v1/escrows", {
    buyerId: "alice",
    sellerId: "bob",
    title: "A used lens",
    amount: { amount: "10000", currency: "USD" },
  });
  const { escrowId, escrow } = created.body;
  for (const [party, role] of [
    ["alice", "buyer"],
    ["bob", "seller"],
  ] as const) {
    await app.as(party, role).post(`/v1/escrows/${escrowId}/accept`, {
      termsHash: escrow.termsHash,
    });
  }
  await app.settle();
  const payment = await shop.get(`/v1/escrows/${escrowId}/payment`);
  expect(payment).toMatchObject({ status: 200, body: { status: "REQUIRES_PAYMENT" } });
  const ledger = await shop.get(`/v1/escrows/${escrowId}/ledger`);
  expect(ledger).toMatchObject({ status: 200, body: { postings: [] } });
  for (const what of ["payment", "ledger"]) {
    const other = await app.as("rival", "service").get(`/v1/escrows/${escrowId}/${what}`);
    expect(other.status).toBe(404);
  }
});

test.each([
  ["limit=0", "Must be a whole number from 1 to 200."],
  ["limit=many", "Must be a whole number from 1 to 200."],
  ["currency=usd", "Must be a currency's code such as USD."],
  ["sort=createdAt", "Must be -createdAt: the newest come first."],
])("a wrong filter of the list is told in a sentence: %s", async (query, detail) => {
  const answer = await app.as("alice", "buyer").get(`/v1/escrows?${query}`);
  expect(answer.body.detail).toBe(detail);
});

test("letters since a time that is none are told of durations too", async () => {
  const answer = await app.as("root", "admin").get("/v1/dead-letters?since=foo");
  expect(answer.body.detail).toContain("PT1H");
});
