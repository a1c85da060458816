/** An admin who is a party of the escrow is no operator of its money, whichever command he finds. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { fundedSale } from "../support/disputes.ts";

setDefaultTimeout(60_000);

let stores: Stores;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(async () => {
  await app.stop();
});

const refused = { status: 403, body: { code: "ROLE_REQUIRED" } };

test("B19: a seller who is an operator clears no foreign movement of his own sale", async () => {
  const sale = await fundedSale(app);
  await sale.root.post(`/sandbox/payments/${sale.paymentId}/refund`, { amount: "1000" });
  await app.settle();
  const [seen] = await sale.disputes();
  const clear = `/v1/disputes/${seen.disputeId}/clear`;
  for (const party of ["alice", "bob"]) {
    expect(await app.as(party, "admin").post(clear)).toMatchObject(refused);
  }
  expect(await sale.view()).toMatchObject({ state: "FROZEN" });
  expect((await sale.root.post(clear)).body.status).toBe("succeeded");
});

test("B19: a buyer who is an operator retries no operation of his own purchase", async () => {
  const { escrowId } = await fundedSale(app);
  const [operation] = await stores.databases.payments.sql<{ id: string }>`
    SELECT operation_id AS id FROM payments.operation WHERE escrow_id = ${escrowId}`;
  const retry = `/v1/payments/${operation?.id}/retry`;
  for (const party of ["alice", "bob"]) {
    expect(await app.as(party, "admin").post(retry)).toMatchObject(refused);
  }
  const root = await app.as("root", "admin").post(retry);
  expect(root.body.code).toBe("ALREADY_SETTLED");
});
