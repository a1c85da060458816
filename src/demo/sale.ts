/** The steps most stories share: Alice buys from Bob, both accept, she pays. */
import type { Answer, Person, Stage } from "./story.ts";

export interface Sale {
  readonly escrowId: string;
  readonly alice: Person;
  readonly bob: Person;
  /** The escrow as Alice sees it. */
  view(): Promise<Answer["body"]>;
  /** A request on the escrow, which must succeed. */
  act(person: Person, what: string, body?: object): Promise<Answer["body"]>;
}

export interface Deal {
  readonly buyerId: string;
  readonly sellerId: string;
  readonly title: string;
  readonly amount: { readonly amount: string; readonly currency: string };
  readonly terms?: Readonly<Record<string, unknown>>;
  readonly [member: string]: unknown;
}

export const lens: Deal = {
  buyerId: "alice",
  sellerId: "bob",
  title: "A used lens",
  amount: { amount: "10000", currency: "USD" },
};

/** Proposed by the buyer and accepted by the seller; the payment is open. */
export async function agree(stage: Stage, changes: Partial<Deal> = {}): Promise<Sale> {
  // Named, because Stripe is there too and would come first.
  const deal = { ...lens, ...changes, terms: { provider: "sandbox", ...changes.terms } };
  const alice = stage.as(deal.buyerId, "buyer");
  const bob = stage.as(deal.sellerId, "seller");
  const created = await alice.post("/v1/escrows", deal);
  const { escrowId, termsHash } = created.body.escrow ?? {};
  stage.expect(
    `${deal.buyerId} proposes to buy from ${deal.sellerId} for ${priceOf(deal)}`,
    created.status,
    200,
  );
  const sale: Sale = {
    escrowId,
    alice,
    bob,
    view: async () => (await alice.get(`/v1/escrows/${escrowId}`)).body,
    async act(person, what, body = {}) {
      const answer = await person.post(`/v1/escrows/${escrowId}/${what}`, body);
      stage.expect(`the request to ${what} is taken`, [200, 202].includes(answer.status), true);
      return answer.body;
    },
  };
  await bob.post(`/v1/escrows/${escrowId}/accept`, { termsHash });
  await stage.settle();
  const { state } = await sale.view();
  stage.expect(`${deal.sellerId} accepts the terms by their hash`, state, "AWAIT_FUNDS");
  return sale;
}

function priceOf({ amount }: Deal): string {
  return `${amount.amount} minor units of ${amount.currency}`;
}

/** The sandbox plays the buyer's bank; at Stripe she pays by card. */
export async function pay(stage: Stage, sale: Sale): Promise<void> {
  const { body } = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
  if (body.provider === "stripe") {
    const intent = await stage.play("stripe", "intentOf", { group: sale.escrowId });
    await stage.play("stripe", "buyer", { intent: intent.id, act: "succeed" });
  } else {
    await sale.alice.post(`/sandbox/payments/${body.paymentId}/pay`);
  }
  await stage.settle();
}

export async function fund(stage: Stage, changes: Partial<Deal> = {}): Promise<Sale> {
  const sale = await agree(stage, changes);
  await pay(stage, sale);
  await expectState(stage, sale, "she pays, and the money is held", "FUNDS_HELD");
  return sale;
}

export async function expectState(
  stage: Stage,
  sale: Sale,
  sentence: string,
  state: string,
): Promise<void> {
  stage.expect(`${sentence}: ${state}`, (await sale.view()).state, state);
}

/** Amounts in minor units, by the parts of the escrow's funds. */
export async function expectFunds(
  stage: Stage,
  sale: Sale,
  funds: Readonly<Record<string, string>>,
): Promise<void> {
  const parts = Object.entries(funds).map(([part, amount]) => `${part} ${amount}`);
  stage.expect(`the books say ${parts.join(", ")}`, (await sale.view()).funds, funds);
}
