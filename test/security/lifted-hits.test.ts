// Two hits can block one escrow: who approves that one of them is lifted is told which.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { bridgedToken } from "../support/custodian-harness.ts";
import {
  acceptedUsdcSale,
  type CustodianWorld,
  openCustodianWorld,
  registerRefundAddress,
  send,
} from "../support/custodian-world.ts";

setDefaultTimeout(120_000);

let world: CustodianWorld;
beforeAll(async () => {
  world = await openCustodianWorld();
});
afterAll(() => world.stop());

interface Review {
  readonly reviewId: string;
  readonly amount: { readonly amount: string; readonly currency: string };
}

test("C2, C4: the second operator is told which hit he lifts, of whom, how much and why", async () => {
  const sale = await acceptedUsdcSale(world);
  await registerRefundAddress(sale.alice);
  for (const amount of [7_000_000n, 90_000_000n]) send(world, sale, amount, bridgedToken);
  await world.goOn();
  world.screening.sanctioned.add("alice");
  const olga = world.app.as("olga", "admin");
  for (const { depositId } of (await olga.get("/v1/deposits")).body.items) {
    await olga.post(`/v1/deposits/${depositId}/decide`, { decision: "REFUND" });
  }
  await world.app.settle();
  const reviews: readonly Review[] = (await olga.get("/v1/reviews")).body.items;
  expect(reviews.map(({ amount }) => amount.amount).sort()).toEqual(["7000000", "90000000"]);
  for (const { reviewId } of reviews) {
    const asked = await olga.post(`/v1/reviews/${reviewId}/decide`, { decision: "CLEAR" });
    expect(asked.body.status).toBe("awaiting_approval");
  }
  const { approvals } = (await world.app.as("otto", "admin").get("/v1/approvals")).body;
  const wanted = reviews.map(({ reviewId, amount }) => ({
    ...{ action: "decideReview", escrowId: sale.escrowId },
    ...{ reviewId, partyId: "alice", ...amount, code: "SANCTIONED" },
  }));
  expect(approvals).toMatchObject(wanted);
});
