import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import {
  fundedUsdcSale,
  openCustodianWorld,
  registerRefundAddress,
} from "../support/custodian-world.ts";
import { fundedSale } from "../support/disputes.ts";
import { eventually } from "../support/logs.ts";

setDefaultTimeout(60_000);

let stores: Stores;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(() => app.stop());

/** In their order, as `KIND STATE net`. */
async function operationsOf(escrowId: string): Promise<string[]> {
  const rows = await stores.databases.payments.sql<{ kind: string; state: string; net: bigint }>`
    SELECT kind, state, net FROM payments.operation
    WHERE escrow_id = ${escrowId} ORDER BY number, operation_id`;
  return rows.map(({ kind, state, net }) => `${kind} ${state} ${net}`);
}

test("what a bank takes is reversed at once, although a re-transfer waits for another dispute", async () => {
  const sale = await fundedSale(app, { sellerId: "petra" });
  const petra = app.as("petra", "seller");
  await petra.post("/v1/parties/petra/payout-methods", { provider: "sandbox" });
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  const won = await sale.dispute({ amount: "1000" });
  await sale.dispute({ amount: "1000" });
  await sale.close(won, "won");
  expect((await operationsOf(sale.escrowId)).at(-1)).toBe("RETRANSFER READY 1000");
  await sale.root.post(`/sandbox/payments/${sale.paymentId}/dispute`, { amount: "6000" });
  await eventually(async () =>
    (await operationsOf(sale.escrowId)).includes("REVERSAL SUCCEEDED 6000"),
  );
  expect(await operationsOf(sale.escrowId)).toContain("RETRANSFER READY 1000");
});

test("a refund goes on while the line is stopped, although a re-transfer waits for its end", async () => {
  const milestones = [
    { milestoneId: "m1", title: "a", amount: "4000" },
    { milestoneId: "m2", title: "b", amount: "6000" },
  ];
  const sale = await fundedSale(app, { milestones });
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`, { milestoneId: "m1" });
  await app.settle();
  const dispute = await sale.dispute();
  await sale.root.post("/v1/providers/sandbox/stop", { reason: "drill" });
  await sale.close(dispute, "won");
  await sale.bob.post(`/v1/escrows/${sale.escrowId}/refund`, { milestoneId: "m2" });
  await eventually(async () =>
    (await operationsOf(sale.escrowId)).includes("REFUND SUCCEEDED 6192"),
  );
  expect(await operationsOf(sale.escrowId)).toContain("RETRANSFER READY 3980");
});

test("a seller whose address is looked at holds up no refund of the buyer's", async () => {
  const world = await openCustodianWorld();
  const sale = await fundedUsdcSale(world);
  await registerRefundAddress(sale.alice);
  await world.app.settle();
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/dispute`, { reason: "broken" });
  world.screening.scores.set("bob", 60);
  const halves = { buyer: "150000000", seller: "100000000", milestoneId: "m1", reason: "half" };
  await world.app.as("oscar", "admin").post(`/v1/escrows/${sale.escrowId}/resolve`, halves);
  const withdrawals = () => [...world.simulator.book.withdrawals.values()];
  await eventually(async () => withdrawals().some(({ kind }) => kind === "refund"));
  expect(withdrawals().some(({ kind }) => kind !== "refund")).toBe(false);
  await world.stop();
});
