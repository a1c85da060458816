/** Stories that end as both wanted: paid, delivered, released; at once, in parts, or by time alone. */
import { expectFunds, expectState, fund } from "../sale.ts";
import type { Story } from "../story.ts";

const happy: Story = {
  name: "happy-sandbox",
  title: "A sale as it should be, over the sandbox",
  async play(stage) {
    const sale = await fund(stage);
    await expectFunds(stage, sale, { funded: "10320", held: "10000", fees: "320" });
    await sale.act(sale.bob, "deliver", { note: "tracking 123" });
    await sale.act(sale.alice, "release");
    await stage.settle();
    await expectState(stage, sale, "the transfer is confirmed", "RELEASED");
    await expectFunds(stage, sale, { released: "9950", fees: "370", held: "0", reserved: "0" });
  },
};

const milestones: Story = {
  name: "partial-milestones",
  title: "Three milestones: one released, one in part, one given back",
  async play(stage) {
    const part = (milestoneId: string, amount: string) => ({
      milestoneId,
      title: milestoneId,
      amount,
    });
    const sale = await fund(stage, {
      milestones: [part("m1", "3333"), part("m2", "3333"), part("m3", "3334")],
    });
    await sale.act(sale.alice, "release", { milestoneId: "m1" });
    await sale.act(sale.alice, "release", { milestoneId: "m2", amount: "300" });
    await stage.settle();
    await expectFunds(stage, sale, { released: "3615", fees: "338", held: "6367" });
    await sale.act(sale.bob, "refund", { milestoneId: "m3" });
    await stage.settle();
    await expectFunds(stage, sale, { refunded: "3440", held: "3033" });
    await sale.act(sale.alice, "release", { milestoneId: "m2" });
    await stage.settle();
    await expectState(stage, sale, "all three are settled, each its own way", "CLOSED");
    await expectFunds(stage, sale, { released: "6633", refunded: "3440", fees: "247" });
  },
};

const autoRelease: Story = {
  name: "auto-release",
  title: "The buyer says nothing: after the inspection the money goes to the seller",
  async play(stage) {
    const sale = await fund(stage);
    await sale.act(sale.bob, "deliver", { note: "left at the door" });
    await stage.pass("P6D");
    await expectState(stage, sale, "six days pass", "DELIVERED");
    await stage.pass("P2D");
    await expectState(stage, sale, "the seventh is over", "RELEASED");
  },
};

const unknownTransfer: Story = {
  name: "unknown-transfer",
  title: "The answer to a transfer is lost: it is asked again under its key, and paid once",
  async play(stage) {
    const sale = await fund(stage, { sellerId: "bob_timeout" });
    await sale.act(sale.alice, "release");
    await stage.pass("PT1H");
    await expectState(stage, sale, "the same request has the same answer", "RELEASED");
    const timeline = await sale.alice.get(`/v1/escrows/${sale.escrowId}/timeline`);
    const confirmed = timeline.body.items.filter(
      (item: { type: string }) => item.type === "payments.v1.TransferSucceeded",
    );
    stage.expect("one transfer stands in the timeline", confirmed.length, 1);
    await expectFunds(stage, sale, { released: "9950" });
  },
};

export const agreed: readonly Story[] = [happy, milestones, autoRelease, unknownTransfer];
