import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { acceptedEscrow, fundedEscrow, pay } from "../support/sale.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(async () => {
  const report = await app.server.application.verify();
  await app.stop();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

/** With the buyer's fee of 2.9 % and 30 it is 10^15 to the unit. */
const largest = 971_817_298_347_882n;

function worth(amount: bigint) {
  return { amount: { amount: amount.toString(), currency: "USD" } };
}

test("pitfall 17: the largest deal goes all the way, and one unit more is refused at the door", async () => {
  const { alice, escrowId } = await fundedEscrow(app, worth(largest));
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("FUNDS_HELD");
  expect((await alice.post(`/v1/escrows/${escrowId}/release`)).status).toBe(200);
  await app.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("RELEASED");
  const tooMuch = { buyerId: "alice", sellerId: "bob", title: "x", ...worth(largest + 1n) };
  const refused = await alice.post("/v1/escrows", tooMuch);
  expect([refused.status, refused.body.code]).toEqual([422, "AMOUNT"]);
});

test("T1: a payment left in processing holds the deadline for ten days, then its money goes back", async () => {
  const sale = await acceptedEscrow(app);
  const shown = async () => (await sale.alice.get(`/v1/escrows/${sale.escrowId}`)).body;
  await pay(sale, { outcome: "processing" });
  await app.settle();
  await app.advance("P12D");
  expect((await shown()).state).toBe("AWAIT_FUNDS");
  await app.advance("P2D");
  expect((await shown()).state).toBe("CANCELLED");
  await pay(sale);
  await app.settle();
  expect((await shown()).funds).toMatchObject({ funded: "10320", refunded: "10320", held: "0" });
});
