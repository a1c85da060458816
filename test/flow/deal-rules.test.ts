// What the operator sets about deals: a fee table of his own, and how much a party begins in a day.
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAppWith, type TestApp } from "../support/app.ts";

let app: TestApp | undefined;
afterEach(async () => {
  const report = await app?.server.application.verify();
  await app?.stop();
  app = undefined;
  expect(report?.checks.filter(({ ok }) => !ok) ?? []).toEqual([]);
});

async function start(environment: Record<string, string>): Promise<TestApp> {
  app = await startAppWith(environment);
  return app;
}

function fileOf(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "fees-")), "fees.toml");
  writeFileSync(path, text);
  return path;
}

function deal(amount: string, changes: object = {}) {
  const money = { amount, currency: "USD" };
  return { buyerId: "alice", sellerId: "bob", title: "x", amount: money, ...changes };
}

test("G8: a table of the operator's own is the whole schedule, and holds at once everywhere", async () => {
  const { as } = await start({
    FEES: fileOf('[CHF.buyer]\nbasisPoints = "100"\nmax = "500"\n[CHF.seller]\nfixed = "7"\n'),
  });
  const alice = as("alice", "buyer");
  const amount = { amount: "100000", currency: "CHF" };
  const quoted = await alice.get("/v1/quotes?amount=100000&currency=CHF");
  const created = await alice.post("/v1/escrows", deal("1", { amount }));
  const fees = { buyer: "500", seller: "7", total: "507" };
  expect([quoted.body.fees, created.body.escrow.fees]).toEqual([fees, fees]);
  const dollars = await alice.post("/v1/escrows", deal("10000"));
  expect([dollars.status, dollars.body.code]).toEqual([422, "CURRENCY_UNSUPPORTED"]);
});

test("C6, pitfall 48: a day's amount is judged on whole deals, however they are cut or raised", async () => {
  const { as, advance } = await start({ PARTY_DAILY_AMOUNT: "USD=25000" });
  const alice = as("alice", "buyer");
  expect((await alice.post("/v1/escrows", deal("10000"))).status).toBe(200);
  const small = await alice.post("/v1/escrows", deal("10000", { sellerId: "carol" }));
  expect(small.status).toBe(200);
  const third = await alice.post("/v1/escrows", deal("5001", { sellerId: "dave" }));
  expect([third.status, third.body.code]).toEqual([422, "LIMIT_EXCEEDED"]);
  // The limit and what was asked for; not whose day it is, nor how much of it is spent.
  expect(third.body.detail).toBe(
    "This deal's 5001 would take one of its parties over its limit of 25000 USD (minor units) per UTC day.",
  );
  expect(third.body.detail).not.toMatch(/alice|dave|20000/);
  const dry = await alice.post("/v1/escrows?dryRun=true", deal("5001", { sellerId: "dave" }));
  expect(dry.body.rejection.code).toBe("LIMIT_EXCEEDED");
  // Another currency has no limit; another buyer has a day of his own, and so has tomorrow.
  const euros = { amount: { amount: "90000", currency: "EUR" } };
  expect((await alice.post("/v1/escrows", deal("1", euros))).status).toBe(200);
  expect((await as("erin").post("/v1/escrows", deal("5001", { buyerId: "erin" }))).status).toBe(
    200,
  );
  await advance("P1D");
  expect((await alice.post("/v1/escrows", deal("25000"))).status).toBe(200);

  // What is raised later counts by what it grows, when both have agreed to it.
  await advance("P1D");
  const begun = await alice.post("/v1/escrows", deal("10000"));
  const path = `/v1/escrows/${begun.body.escrowId}/amend`;
  const raise = (amount: string) => ({ amount });
  expect((await alice.post(path, raise("25001"))).status).toBe(200);
  const agreed = await as("bob").post(path, raise("25001"));
  expect([agreed.status, agreed.body.code]).toEqual([422, "LIMIT_EXCEEDED"]);
  expect((await alice.post(path, raise("25000"))).status).toBe(200);
  expect((await as("bob").post(path, raise("25000"))).status).toBe(200);
});

test("C6: the number of deals in a day, for buyer and seller, under many at once", async () => {
  const { as } = await start({ PARTY_DAILY_ESCROWS: "5" });
  const buyers = Array.from({ length: 12 }, (_, n) => `buyer${n}`);
  const answers = await Promise.all(
    buyers.map((buyerId) => as(buyerId).post("/v1/escrows", deal("10000", { buyerId }))),
  );
  const statuses = answers.map(({ status }) => status).sort();
  expect(statuses).toEqual([...Array(5).fill(200), ...Array(7).fill(422)]);
  const refused = answers.find(({ status }) => status === 422);
  expect(refused?.body.detail).toBe(
    "A party to this deal has reached its limit of 5 new deals per UTC day.",
  );
});
