/** The same sale over Stripe, whose pages the seller has to go through first. */
import { expectFunds, expectState, fund } from "../sale.ts";
import type { Story } from "../story.ts";

const stripe: Story = {
  name: "happy-stripe",
  title: "A sale over Stripe: charged on the platform, transferred when it is released",
  async play(stage) {
    const bob = stage.as("bob", "seller");
    const method = await bob.post("/v1/parties/bob/payout-methods", {
      provider: "stripe",
      returnUrl: "https://market.example/done",
      refreshUrl: "https://market.example/again",
    });
    stage.expect("Bob is sent to Stripe's own pages", method.status, 201);
    const sale = await fund(stage, { terms: { provider: "stripe" } });
    await sale.act(sale.alice, "release");
    await stage.settle();
    await expectState(stage, sale, "Bob has not finished with Stripe", "RELEASE_BLOCKED");
    const account = await stage.play("stripe", "accountOf", { party: "bob" });
    await stage.play("stripe", "account", { account: account.id, state: "active" });
    await stage.settle();
    await expectState(stage, sale, "he has: the release resumes by itself", "RELEASED");
    await expectFunds(stage, sale, { released: "9950", fees: "370", held: "0" });
  },
};

export const overStripe: readonly Story[] = [stripe];
