// Pitfall: a seller owes one debt over all his escrows. A release that is netted must not tell a buyer or
// a marketplace what he owes elsewhere.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { fundedSale, releasedSale } from "../support/disputes.ts";

setDefaultTimeout(60_000);

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

const on = (partyId: string) => ({ headers: { "On-Behalf-Of": partyId } });

/** Bob owes 4000 from a sale of his own; a shop's sale of his is released meanwhile. */
async function nettedByShop(): Promise<string> {
  const own = await releasedSale(app);
  const bob = app.as("bob", "seller");
  await bob.post("/v1/parties/bob/payout-methods", { provider: "sandbox" });
  await bob.post("/sandbox/parties/bob/payout", { amount: "9950" });
  await app.settle();
  await own.close(await own.dispute({ amount: "4000" }), "lost");
  const shop = app.as("shop", "service");
  const created = await shop.post(
    "/v1/escrows",
    {
      buyerId: "carol",
      sellerId: "bob",
      title: "A lens",
      amount: { amount: "10000", currency: "USD" },
    },
    on("carol"),
  );
  const { escrowId, termsHash } = created.body.escrow;
  await shop.post(`/v1/escrows/${escrowId}/accept`, { termsHash }, on("bob"));
  await app.settle();
  const { paymentId } = (await shop.get(`/v1/escrows/${escrowId}/payment`)).body;
  await app.as("root", "admin").post(`/sandbox/payments/${paymentId}/pay`, {});
  await app.settle();
  await shop.post(`/v1/escrows/${escrowId}/release`, {}, on("carol"));
  await app.settle();
  return escrowId;
}

test("G7, A1: who made an escrow sees how much of its release was netted, not for what", async () => {
  const escrowId = await nettedByShop();
  const shop = app.as("shop", "service");
  const ledger = `/v1/escrows/${escrowId}/ledger`;
  const asked = { name: "shop", subject: "shop", scopes: ["*"] };
  const minted = await app.as("root", "admin").post("/v1/api-keys", asked);
  const bearer = { Authorization: `Bearer ${minted.body.key ?? ""}` };
  const byKey = async (headers: object = {}) =>
    (await fetch(`${app.url}${ledger}`, { headers: { ...bearer, ...headers } })).json();
  const others = [
    (await shop.get(ledger)).body,
    (await shop.get(ledger, on("bob").headers)).body,
    (await app.as("carol").get(ledger)).body,
    await byKey(),
    await byKey(on("bob").headers),
  ];
  for (const shown of others) {
    const netted = shown.postings.filter(({ credit }: { credit: string }) =>
      credit.endsWith(":netted"),
    );
    expect(netted).toMatchObject([
      { debit: `escrow:${escrowId}:reserved`, credit: `escrow:${escrowId}:netted`, amount: "4000" },
    ]);
    expect(JSON.stringify(shown)).not.toContain("debt");
  }
  const pack = (await shop.get(`/v1/escrows/${escrowId}/evidence-pack`)).body;
  expect(JSON.stringify(pack)).toContain(`escrow:${escrowId}:netted`);
  expect(JSON.stringify(pack)).not.toContain("seller:bob:debt");
  for (const mine of [app.as("bob"), app.as("root", "admin"), app.as("eva", "auditor")]) {
    const { postings } = (await mine.get(ledger)).body;
    expect(JSON.stringify(postings)).toContain('"seller:bob:debt"');
  }
});

test("R3, A1: a debt that comes from an escrow of one's own is shown where it comes from", async () => {
  const sale = await fundedSale(app, { sellerId: "dave" });
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  await sale.close(await sale.dispute(), "lost");
  const { postings } = (await sale.root.get(`/v1/escrows/${sale.escrowId}/evidence-pack`)).body
    .payment ?? { postings: undefined };
  expect(JSON.stringify(postings ?? "")).toContain("seller:dave:debt");
});
