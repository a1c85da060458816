/** Stories in which a bank takes the money back, or does not take it. */
import { expectFunds, expectState, fund, type Sale } from "../sale.ts";
import type { Stage, Story } from "../story.ts";

/** The buyer's bank acts at the sandbox; resolves to what it opened. */
async function bank(
  stage: Stage,
  path: string,
  body: object,
): Promise<Readonly<Record<string, string>>> {
  const answer = await stage.as("operator", "admin").post(`/sandbox/${path}`, body);
  stage.expect(`the bank acts: ${path.split("/").at(-1)}`, answer.status, 202);
  await stage.settle();
  return answer.body;
}

async function dispute(stage: Stage, sale: Sale): Promise<string> {
  const { body } = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
  const { disputeId = "" } = await bank(stage, `payments/${body.paymentId}/dispute`, {});
  return disputeId;
}

const before: Story = {
  name: "chargeback-before-release",
  title: "A chargeback while the money is held: frozen at once, lost without a second refund",
  async play(stage) {
    const sale = await fund(stage);
    const disputeId = await dispute(stage, sale);
    await expectState(stage, sale, "one webhook is enough", "FROZEN");
    const refused = await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
    stage.expect("nothing leaves meanwhile", refused.body.code, "ESCROW_LOCKED");
    await bank(stage, `disputes/${disputeId}/close`, { outcome: "lost" });
    await expectState(stage, sale, "the bank decides for the buyer", "CHARGED_BACK");
    await expectFunds(stage, sale, { chargedBack: "10320", refunded: "0", held: "0" });
  },
};

const after: Story = {
  name: "chargeback-after-release",
  title:
    "A chargeback after the payout: what cannot be reversed is the seller's debt, netted later",
  async play(stage) {
    const seller = { sellerId: "paul" };
    const paul = stage.as("paul", "seller");
    const sale = await fund(stage, seller);
    await sale.act(sale.alice, "release");
    await stage.settle();
    await expectState(stage, sale, "he is paid", "RELEASED");
    await paul.post("/v1/parties/paul/payout-methods", { provider: "sandbox" });
    await paul.post("/sandbox/parties/paul/payout", { amount: "9000" });
    await stage.settle();
    stage.tell("he moves 9000 to his bank; 950 are left at the provider");
    await dispute(stage, sale);
    const debts = await stage.as("audrey", "auditor").get("/v1/debts?party=paul");
    const { amount } = debts.body.items[0]?.owed ?? {};
    stage.expect("too little to reverse the transfer: he owes 9950", amount, "9950");
    const next = await fund(stage, seller);
    await next.act(next.alice, "release");
    await stage.settle();
    await expectState(stage, next, "his next sale is released", "RELEASED");
    const left = await stage.as("audrey", "auditor").get("/v1/debts?party=paul");
    stage.expect("and paid what he owed first", left.body.items, []);
  },
};

const payoutFails: Story = {
  name: "payout-fails",
  title: "The seller's bank refuses his payout: shown, and the sale stays what it is",
  async play(stage) {
    const paul = stage.as("paul", "seller");
    const sale = await fund(stage, { sellerId: "paul" });
    await paul.post("/v1/parties/paul/payout-methods", { provider: "sandbox" });
    await sale.act(sale.alice, "release");
    await stage.settle();
    await paul.post("/sandbox/parties/paul/payout", { amount: "9950", outcome: "failed" });
    await stage.settle();
    const payouts = await paul.get("/v1/parties/paul/payouts");
    stage.expect("he sees that it failed", payouts.body.items[0]?.status, "FAILED");
    await expectState(stage, sale, "nothing is rolled back", "RELEASED");
  },
};

export const takenBack: readonly Story[] = [before, after, payoutFails];
