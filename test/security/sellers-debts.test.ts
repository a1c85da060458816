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

/** The shop proposes it for both and releases it for the buyer. */
async function soldByShop(sellerId: string) {
  const shop = app.as("shop", "service");
  const amount = { amount: "10000", currency: "USD" };
  const created = await shop.post(
    "/v1/escrows",
    { buyerId: "carol", sellerId, title: "A lens", amount },
    on("carol"),
  );
  const { escrowId, termsHash } = created.body.escrow;
  await shop.post(`/v1/escrows/${escrowId}/accept`, { termsHash }, on(sellerId));
  await app.settle();
  const { paymentId } = (await shop.get(`/v1/escrows/${escrowId}/payment`)).body;
  await app.as("root", "admin").post(`/sandbox/payments/${paymentId}/pay`, {});
  await app.settle();
  await shop.post(`/v1/escrows/${escrowId}/release`, {}, on("carol"));
  await app.settle();
  return { escrowId, paymentId };
}

async function emptiesHisAccount(sellerId: string): Promise<void> {
  const seller = app.as(sellerId, "seller");
  await seller.post(`/v1/parties/${sellerId}/payout-methods`, { provider: "sandbox" });
  await seller.post(`/sandbox/parties/${sellerId}/payout`, { amount: "9950" });
  await app.settle();
}

/** Bob owes 4000 from a sale of his own; a shop's sale of his is released meanwhile. */
async function nettedByShop(): Promise<string> {
  const own = await releasedSale(app);
  await emptiesHisAccount("bob");
  await own.close(await own.dispute({ amount: "4000" }), "lost");
  return (await soldByShop("bob")).escrowId;
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

test("G7, A1: who speaks for a seller reads that a debt was repaid, not by which other sale", async () => {
  const { escrowId, paymentId } = await soldByShop("erin");
  await emptiesHisAccount("erin");
  const root = app.as("root", "admin");
  const taken = await root.post(`/sandbox/payments/${paymentId}/dispute`, { amount: "4000" });
  await app.settle();
  await root.post(`/sandbox/disputes/${taken.body.disputeId}/close`, { outcome: "lost" });
  await app.settle();
  const own = await releasedSale(app, { sellerId: "erin" });
  const shop = app.as("shop", "service");
  const { headers } = on("erin");
  expect((await shop.get(`/v1/escrows/${own.escrowId}`, headers)).status).toBe(404);
  expect((await shop.get("/v1/statements?party=erin", headers)).status).toBe(404);

  const path = `/v1/statements?escrow=${escrowId}`;
  const mine = (await app.as("erin", "seller").get(path)).body;
  expect(mine.lines.at(-1)).toMatchObject({ what: "netted", escrowId: own.escrowId });
  const told = (await shop.get(path, headers)).body;
  expect(told.lines.at(-1)).toMatchObject({
    escrowId,
    what: "netted",
    inYourFavour: "4000",
    reference: "",
    transactionId: "",
  });
  expect(told.lines.slice(0, -1)).toEqual(mine.lines.slice(0, -1));
  expect(told.closing).toEqual([{ currency: "USD", inYourFavour: "0" }]);
  const csv = await fetch(`${app.url}${path}&format=csv`, {
    headers: { ...headers, Authorization: `Bearer ${await app.token("shop", "service")}` },
  });
  expect(csv.status).toBe(200);
  const { reference, transactionId } = mine.lines.at(-1);
  const texts = [await csv.text(), JSON.stringify(told)];
  for (const secret of [own.escrowId, reference, transactionId]) {
    for (const text of texts) expect(text).not.toContain(secret);
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
