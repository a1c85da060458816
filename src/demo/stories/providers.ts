/** The same sale over the other providers: cards at Stripe, USDC at a custodian. */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { agree, expectFunds, expectState, fund, type Sale } from "../sale.ts";
import type { Stage, Story } from "../story.ts";

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

const usdc = {
  amount: { amount: "250000000", currency: "USDC" },
  terms: { provider: "custodian" },
};

/** Sends USDC to the escrow's own address, deep enough to be final. */
async function transfer(stage: Stage, sale: Sale, amount: string): Promise<void> {
  const { body } = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
  const from = privateKeyToAccount(generatePrivateKey()).address;
  await stage.play("custodian", "receive", { address: body.deposit.address, from, amount });
  await stage.play("custodian", "mine", { blocks: 12 });
  await stage.settle();
}

const custodian: Story = {
  name: "happy-custodian",
  title: "A sale in USDC, paid in two parts to an address of its own",
  async play(stage) {
    const bob = stage.as("bob", "seller");
    const wallet = privateKeyToAccount(generatePrivateKey());
    const { address } = wallet;
    const lines = ["Party: bob", "Chain: 8453", `Address: ${address}`, "Use: payouts"];
    const message = ["I control this wallet.", ...lines].join("\n");
    const signature = await wallet.signMessage({ message });
    const method = await bob.post("/v1/parties/bob/payout-methods", {
      provider: "custodian",
      address,
      chainId: "8453",
      signature,
    });
    stage.expect("Bob proves that the wallet is his", method.status, 201);
    const sale = await agree(stage, usdc);
    await transfer(stage, sale, "100000000");
    const { body: short } = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
    stage.expect("100 USDC arrive, which is short: UNDERFUNDED", short.status, "UNDERFUNDED");
    await transfer(stage, sale, "157550000");
    await expectState(stage, sale, "the rest arrives", "FUNDS_HELD");
    await sale.act(sale.alice, "release");
    await stage.settle();
    await stage.play("custodian", "mine", { blocks: 12 });
    await stage.settle();
    await expectState(stage, sale, "the withdrawal is final", "RELEASED");
    await expectFunds(stage, sale, { funded: "257550000", released: "249500000", fees: "8050000" });
  },
};

export const overProviders: readonly Story[] = [stripe, custodian];
