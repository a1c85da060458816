// What a deal costs is asked, promised and pinned by one function; G8, O11.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { createEscrow } from "../support/sale.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

const quote = (query: string) => app.as("alice").get(`/v1/quotes?${query}`);

test("G8: a quote says what each side pays and gets, and who would hold it", async () => {
  expect((await quote("amount=10000&currency=USD")).body).toEqual({
    amount: { amount: "10000", currency: "USD" },
    fees: { buyer: "320", seller: "50", total: "370" },
    buyerPays: "10320",
    sellerReceives: "9950",
    provider: "sandbox",
    feeRefund: "RETURN",
  });
});

test.each([
  ["JPY", "10000", { buyer: "330", seller: "60", total: "390" }],
  ["KWD", "12340", { buyer: "450", seller: "150", total: "600" }],
  ["USDC", "250000000", { buyer: "7550000", seller: "500000", total: "8050000" }],
])("O11: an escrow in %s has the fees that were quoted", async (currency, amount, fees) => {
  const quoted = await quote(`amount=${amount}&currency=${currency}`);
  const { alice, escrowId } = await createEscrow(app, { amount: { amount, currency } });
  expect(quoted.body.fees).toEqual(fees);
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.fees).toEqual(fees);
});

test.each([
  ["currency=USD", "AMOUNT"],
  ["amount=0&currency=USD", "AMOUNT"],
  ["amount=-1&currency=USD", "AMOUNT"],
  ["amount=1.5&currency=USD", "AMOUNT"],
  ["amount=1e3&currency=USD", "AMOUNT"],
  ["amount=0x10&currency=USD", "AMOUNT"],
  ["amount=%2010&currency=USD", "AMOUNT"],
  ["amount=10000000000000000&currency=USD", "AMOUNT"],
  ["amount=1000000000000000&currency=USD", "AMOUNT"],
  ["amount=10001&currency=KWD", "AMOUNT"],
  ["amount=50&currency=USD", "FEE_EXCEEDS_AMOUNT"],
  ["amount=10000&currency=CHF", "CURRENCY_UNSUPPORTED"],
  ["amount=10000&currency=XTS", "CURRENCY_UNSUPPORTED"],
  ["amount=10000&currency=usd", "INVALID_FIELD"],
  ["amount=10000", "INVALID_FIELD"],
  ["amount=10000&currency=USD&currency=EUR", "UNKNOWN_PARAMETER"],
  ["amount=10000&currency=USD&fee=0", "UNKNOWN_PARAMETER"],
])("B3: a quote for %s is refused with %s", async (query, code) => {
  const { status, body } = await quote(query);
  expect([status, body.code]).toEqual([422, code]);
});

test("B3: a refused quote names the parameter, not a field of a deal", async () => {
  expect((await quote("amount=10000&currency=CHF")).body.field).toBe("currency");
  expect((await quote("amount=10001&currency=KWD")).body.field).toBe("amount");
});

test("a quote needs a token like everything else", async () => {
  const answer = await fetch(`${app.url}/v1/quotes?amount=10000&currency=USD`);
  expect(answer.status).toBe(401);
});
