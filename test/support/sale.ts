/** The first steps that most flows share: a proposed, an accepted, a funded escrow. */
import type { Client, TestApp } from "./app.ts";

export interface Sale {
  readonly escrowId: string;
  readonly termsHash: string;
  readonly alice: Client;
  readonly bob: Client;
}

/** Alice buys from Bob, or another seller, for 100.00 USD, in milestones when some are given. */
export async function createEscrow(app: TestApp, changes: object = {}): Promise<Sale> {
  const { sellerId = "bob" } = changes as { readonly sellerId?: string };
  const [alice, bob] = [app.as("alice", "buyer"), app.as(sellerId, "seller")];
  const created = await alice.post("/v1/escrows", {
    buyerId: "alice",
    sellerId: "bob",
    title: "A used lens",
    amount: { amount: "10000", currency: "USD" },
    ...changes,
  });
  if (created.status !== 200) throw new Error(`not created: ${JSON.stringify(created.body)}`);
  const { escrowId, termsHash } = created.body.escrow;
  return { escrowId, termsHash, alice, bob };
}

export async function acceptedEscrow(app: TestApp, changes: object = {}): Promise<Sale> {
  const sale = await createEscrow(app, changes);
  const accepted = await sale.bob.post(`/v1/escrows/${sale.escrowId}/accept`, {
    termsHash: sale.termsHash,
  });
  if (accepted.status !== 200) throw new Error(`not accepted: ${JSON.stringify(accepted.body)}`);
  await app.settle();
  return sale;
}

export async function fundedEscrow(app: TestApp, changes: object = {}): Promise<Sale> {
  const sale = await acceptedEscrow(app, changes);
  await pay(sale);
  await app.settle();
  return sale;
}

/** The sandbox plays the buyer's bank. */
export async function pay({ alice, escrowId }: Sale, body: object = {}): Promise<void> {
  const payment = await alice.get(`/v1/escrows/${escrowId}/payment`);
  const played = await alice.post(`/sandbox/payments/${payment.body.paymentId}/pay`, body);
  if (played.status !== 202) throw new Error(`not paid: ${JSON.stringify(played.body)}`);
}
