/** Stories in which buyer and seller do not agree, and somebody or the clock decides. */
import { expectFunds, expectState, fund } from "../sale.ts";
import type { Story } from "../story.ts";

const split: Story = {
  name: "dispute-split",
  title: "A dispute, decided: 40 to the buyer, 60 to the seller",
  async play(stage) {
    const sale = await fund(stage);
    await sale.act(sale.bob, "deliver", { note: "sent" });
    await sale.act(sale.alice, "dispute", { reason: "scratched" });
    await stage.settle();
    await expectState(stage, sale, "the money is locked", "DISPUTED");
    const refused = await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
    stage.expect("not even the buyer can release it now", refused.body.code, "ESCROW_LOCKED");
    await stage.pass("P8D");
    await expectState(stage, sale, "the inspection stands still meanwhile", "DISPUTED");
    const arbiter = stage.as("arbiter", "admin");
    await sale.act(arbiter, "resolve", { buyer: "4000", seller: "6000", reason: "half right" });
    await stage.settle();
    await expectState(stage, sale, "both shares are paid out", "CLOSED");
    await expectFunds(stage, sale, { released: "5970", refunded: "4128", fees: "222" });
  },
};

const arbiterDefault: Story = {
  name: "arbiter-default",
  title: "The arbiter never answers: the terms decide",
  async play(stage) {
    const sale = await fund(stage, { terms: { defaultOutcome: "REFUND" } });
    await sale.act(sale.alice, "dispute", { reason: "it never came" });
    await stage.pass("P29D");
    await expectState(stage, sale, "twenty-nine days pass", "DISPUTED");
    await stage.pass("P2D");
    await expectState(stage, sale, "the arbiter's month is over", "REFUNDED");
    await expectFunds(stage, sale, { refunded: "10320", fees: "0", held: "0" });
  },
};

export const disputed: readonly Story[] = [split, arbiterDefault];
