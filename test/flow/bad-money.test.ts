// B3, O11, pitfalls 31 and 32: every route that takes an amount, on a real deal, against every wrong
// spelling of one. What is refused at the door leaves no trace; what only the decider can refuse
// moves nothing and raises no version.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { fundedEscrow, type Sale } from "../support/sale.ts";

let stores: Stores;
let app: TestApp;
let sale: Sale;
let paymentId: string;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
  sale = await fundedEscrow(app, { amount: { amount: "12340", currency: "KWD" } });
  paymentId = (await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`)).body.paymentId;
});
afterAll(async () => {
  const report = await app.server.application.verify();
  await app.stop();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

const wrong: readonly unknown[] = [
  ...[5, 12_340, 1.5, 1e21, -1, true, [], {}],
  ...["-10", "+10", "1.5", "10.0", "1e3", "1E3", "0x10", "0b1", "0o7", " 10", "10 ", "10\t", "1_0"],
  ...["1,000", "010", "Infinity", "NaN", "-0", "١٠", "１０", "10\u0000", "9".repeat(17)],
  ...["9".repeat(400), "10n", "ten"],
];
interface Route {
  readonly name: string;
  readonly by?: "root";
  readonly path: () => string;
  readonly body: (amount: unknown) => object;
}

const of = (action: string) => () => `/v1/escrows/${sale.escrowId}/${action}`;
const deal = { buyerId: "alice", sellerId: "bob", title: "x" };
const usd = (amount: unknown) => ({ amount, currency: "USD" });
const routes: readonly Route[] = [
  { name: "create", path: () => "/v1/escrows", body: (a) => ({ ...deal, amount: usd(a) }) },
  {
    name: "create, a milestone",
    path: () => "/v1/escrows",
    body: (amount) => ({
      ...deal,
      amount: usd("10000"),
      milestones: [{ milestoneId: "m1", title: "x", amount }],
    }),
  },
  { name: "release", path: of("release"), body: (amount) => ({ amount }) },
  { name: "release, with its currency", path: of("release"), body: (a) => ({ amount: kwd(a) }) },
  { name: "refund", path: of("refund"), body: (amount) => ({ amount, reason: "x" }) },
  { name: "amend", path: of("amend"), body: (amount) => ({ amount }) },
  {
    name: "resolve, the buyer's part",
    by: "root",
    path: of("resolve"),
    body: (buyer) => ({ buyer, seller: "10", reason: "x" }),
  },
  {
    name: "resolve, the seller's part",
    by: "root",
    path: of("resolve"),
    body: (seller) => ({ buyer: "10", seller, reason: "x" }),
  },
  { name: "offer", path: of("settlement-offers"), body: (buyer) => ({ buyer, seller: "10" }) },
  {
    name: "write off a debt",
    by: "root",
    path: () => "/v1/debts/bob/write-off",
    body: (amount) => ({ amount, currency: "KWD" }),
  },
  {
    name: "the sandbox pays",
    path: () => `/sandbox/payments/${paymentId}/pay`,
    body: (amount) => ({ amount }),
  },
  {
    name: "the sandbox disputes",
    path: () => `/sandbox/payments/${paymentId}/dispute`,
    body: (amount) => ({ amount }),
  },
  {
    name: "the sandbox refunds",
    path: () => `/sandbox/payments/${paymentId}/refund`,
    body: (amount) => ({ amount }),
  },
];

function kwd(amount: unknown) {
  return { amount, currency: "KWD" };
}

/** How much was ever said and booked. */
async function traces(): Promise<unknown> {
  const ends = await app.server.log.ends(["escrow.commands.v1", "payments.commands.v1"]);
  const [rows] = await stores.databases.platform.sql`
    SELECT (SELECT count(*) FROM escrow.history) AS events,
      (SELECT count(*) FROM escrow.command_outcome) AS outcomes,
      (SELECT count(*) FROM payments.entry) AS entries,
      (SELECT count(*) FROM payments.command_outcome) AS answers,
      (SELECT count(*) FROM sandbox.object) AS objects`;
  return [ends, rows];
}

test.each(routes.map((route) => [route.name, route] as const))(
  "B3, pitfall 32: %s refuses every wrong spelling of an amount, and nothing is stored",
  async (_, { by, path, body }) => {
    const client = by === "root" ? app.as("root", "admin") : sale.alice;
    const before = await traces();
    for (const amount of wrong) {
      const answer = await client.post(path(), body(amount));
      expect([amount, answer.status]).toEqual([amount, 422]);
      expect(answer.body.code).toBeOneOf(["AMOUNT", "INVALID_FIELD"]);
      expect(answer.body.field).toBeString();
    }
    expect(await traces()).toEqual(before);
  },
);

async function refusedBy(client: Sale["alice"], path: string, body: object): Promise<string> {
  const answer = await client.post(path, body);
  return `${answer.status} ${answer.body.code}`;
}

test("pitfall 31: a three-decimal currency moves in tens, at every way out", async () => {
  const root = app.as("root", "admin");
  const { alice, bob, escrowId } = sale;
  const path = `/v1/escrows/${escrowId}`;
  const before = (await alice.get(path)).body;
  expect(await refusedBy(alice, "/v1/escrows", { ...deal, amount: kwd("12345") })).toBe(
    "422 AMOUNT",
  );
  const milestones = [
    { milestoneId: "m1", title: "x", amount: "6175" },
    { milestoneId: "m2", title: "x", amount: "6165" },
  ];
  const parts = { ...deal, amount: kwd("12340"), milestones };
  expect(await refusedBy(alice, "/v1/escrows", parts)).toBe("422 AMOUNT");
  expect(await refusedBy(alice, `${path}/release`, { amount: "5005" })).toBe("422 AMOUNT");
  expect(await refusedBy(bob, `${path}/refund`, { amount: "5005", reason: "x" })).toBe(
    "422 AMOUNT",
  );
  expect(await refusedBy(bob, `${path}/amend`, { amount: "12345" })).toBe("422 AMOUNT");
  expect((await alice.post(`${path}/dispute`, { reason: "x", milestoneId: "m1" })).status).toBe(
    200,
  );
  const split = { buyer: "2345", seller: "9995" };
  expect(await refusedBy(alice, `${path}/settlement-offers`, split)).toBe("422 AMOUNT");
  expect(await refusedBy(root, `${path}/resolve`, { ...split, reason: "x" })).toBe("422 AMOUNT");
  expect((await alice.post(`${path}/withdraw-dispute`, { milestoneId: "m1" })).status).toBe(200);
  const after = (await alice.get(path)).body;
  expect(after.funds).toEqual(before.funds);
  // The dispute and its withdrawal, and nothing of what was refused.
  expect(BigInt(after.version)).toBe(BigInt(before.version) + 2n);
});

test("O11: an amount in another currency is refused with a code, an unknown one too", async () => {
  const { alice, bob, escrowId } = sale;
  const path = `/v1/escrows/${escrowId}`;
  const before = (await alice.get(path)).body;
  const other = { amount: usd("5000") };
  expect(await refusedBy(alice, `${path}/release`, other)).toBe("422 CURRENCY_MISMATCH");
  expect(await refusedBy(bob, `${path}/refund`, { ...other, reason: "x" })).toBe(
    "422 CURRENCY_MISMATCH",
  );
  expect(await refusedBy(alice, `${path}/amend`, { amount: usd("12340") })).toMatch(
    /^422 (CURRENCY_MISMATCH|TERMS_IMMUTABLE)$/,
  );
  for (const currency of ["CHF", "XTS", "XAU"]) {
    const body = { ...deal, amount: { amount: "10000", currency } };
    expect(await refusedBy(alice, "/v1/escrows", body)).toBe("422 CURRENCY_UNSUPPORTED");
  }
  expect((await alice.get(path)).body.version).toBe(before.version);
});

test("G8: a fee that eats the amount refuses the deal", async () => {
  const { alice } = sale;
  expect(await refusedBy(alice, "/v1/escrows", { ...deal, amount: usd("50") })).toBe(
    "422 FEE_EXCEEDS_AMOUNT",
  );
  expect((await alice.post("/v1/escrows", { ...deal, amount: usd("51") })).status).toBe(200);
});
