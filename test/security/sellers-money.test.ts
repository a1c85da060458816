// Pitfall: a service alone can tie itself to any seller. What it sets for him must not move money of
// another service's escrows, nor show any of it.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { receive } from "../../src/simulators/custodian/index.ts";
import { buyersWallet, walletOf, walletProof } from "../support/custodian-harness.ts";
import { type CustodianWorld, openCustodianWorld } from "../support/custodian-world.ts";

setDefaultTimeout(120_000);

let world: CustodianWorld;
beforeAll(async () => {
  world = await openCustodianWorld();
});
afterAll(() => world.stop());

const service = (name: string) => world.app.as(name, "service");
const on = (partyId: string) => ({ headers: { "On-Behalf-Of": partyId } });

/** A service makes it alone, acting for both sides. */
async function deal(by: string, buyerId: string, sellerId: string): Promise<string> {
  const body = {
    buyerId,
    sellerId,
    title: "A lens",
    amount: { amount: "250000000", currency: "USDC" },
    terms: { provider: "custodian" },
  };
  const created = await service(by).post("/v1/escrows", body, on(buyerId));
  const { escrowId, termsHash } = created.body.escrow;
  const path = `/v1/escrows/${escrowId}/accept`;
  expect((await service(by).post(path, { termsHash }, on(sellerId))).status).toBe(200);
  await world.app.settle();
  return escrowId;
}

async function funded(by: string, buyerId: string, sellerId: string): Promise<string> {
  const escrowId = await deal(by, buyerId, sellerId);
  const address = [...world.simulator.book.addresses.values()].find(
    ({ group }) => group === escrowId,
  );
  receive(world.simulator.book, address?.id ?? "", { from: buyersWallet, amount: 257_550_000n });
  await world.goOn();
  return escrowId;
}

async function released(by: string, buyerId: string, escrowId: string): Promise<void> {
  await service(by).post(`/v1/escrows/${escrowId}/release`, {}, on(buyerId));
  await world.app.settle();
  await world.goOn();
}

/** The wallet's name tells whose it is. */
async function setWallet(as: string, roles: string[], partyId: string, wallet: string) {
  const proof = { provider: "custodian", ...(await walletProof(partyId, "payouts", wallet)) };
  const set = await world.app.as(as, ...roles).post(`/v1/parties/${partyId}/payout-methods`, proof);
  expect(set.status).toBe(201);
  await world.goOn();
}

/** Where money of the escrow went. */
function wallets(escrowId: string): string[] {
  const all = [...world.simulator.book.withdrawals.values()];
  return all.filter(({ group }) => group === escrowId).map(({ to }) => to);
}

test("a service cannot redirect the money of another service's seller, nor see any of it", async () => {
  const victim = await funded("shop", "dora", "carl");
  await setWallet("shop", ["service"], "carl", "carl-at-shop");
  await deal("evil", "puppet", "carl");
  await setWallet("evil", ["service"], "carl", "evil");
  const shown = await service("evil").get("/v1/parties/carl/payout-methods");
  expect(shown.body.items).toHaveLength(1);
  const all = await world.app.as("root", "admin").get("/v1/parties/carl/payout-methods");
  expect(all.body.items).toHaveLength(2);
  await released("shop", "dora", victim);
  expect(wallets(victim)).toEqual([walletOf("carl-at-shop").address]);
  expect((await service("evil").get("/v1/parties/carl/payouts")).body.items).toEqual([]);
  expect((await service("evil").get("/v1/debts", on("carl").headers)).status).toBe(404);
  expect((await service("evil").get("/v1/parties/carl/refund-addresses")).status).toBe(404);
});

test("a service is still paid for its own escrows by the method it set", async () => {
  const own = await funded("evil", "puppet", "carl");
  await released("evil", "puppet", own);
  expect(wallets(own)).toEqual([walletOf("evil").address]);
});

test("who registers an unknown party first is not paid for other services' escrows", async () => {
  const profile = { name: "N", country: "US" };
  expect((await service("evil").put("/v1/parties/nina", profile)).status).toBe(200);
  await setWallet("evil", ["service"], "nina", "evil-2");
  const escrowId = await funded("shop", "dora", "nina");
  await released("shop", "dora", escrowId);
  expect(wallets(escrowId)).toEqual([]);
  // Nor does it stand in anybody's way.
  expect((await service("shop").put("/v1/parties/nina", profile)).status).toBe(200);
  await setWallet("shop", ["service"], "nina", "nina-at-shop");
  await world.app.advance("PT2S");
  await world.app.settle();
  await released("shop", "dora", escrowId);
  expect(wallets(escrowId)).toEqual([walletOf("nina-at-shop").address]);
});

test("the seller's own method comes before those of services, in every escrow", async () => {
  const [ours, theirs] = [
    await funded("shop", "dora", "omar"),
    await funded("evil", "puppet", "omar"),
  ];
  await setWallet("shop", ["service"], "omar", "omar-at-shop");
  await setWallet("evil", ["service"], "omar", "evil-3");
  await setWallet("omar", ["seller"], "omar", "omar");
  await released("shop", "dora", ours);
  await released("evil", "puppet", theirs);
  expect(wallets(ours)).toEqual([walletOf("omar").address]);
  expect(wallets(theirs)).toEqual([walletOf("omar").address]);
});
