/** Stories in USDC: an address of its own for each deal, wallets that are proven and screened. */
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { agree, type Deal, expectFunds, expectState, type Sale } from "../sale.ts";
import type { Person, Stage, Story } from "../story.ts";

const deal: Partial<Deal> = {
  amount: { amount: "250000000", currency: "USDC" },
  terms: { provider: "custodian" },
};
const chainId = "8453";

function newWallet(): PrivateKeyAccount {
  return privateKeyToAccount(generatePrivateKey());
}

/** What a party sends to have its wallet taken: a message of known words, signed by its key. */
async function proofOf(partyId: string, use: "payouts" | "refunds", wallet: PrivateKeyAccount) {
  const { address } = wallet;
  const words = [`Party: ${partyId}`, `Chain: ${chainId}`, `Address: ${address}`, `Use: ${use}`];
  const message = ["I control this wallet.", ...words].join("\n");
  return { address, chainId, signature: await wallet.signMessage({ message }) };
}

async function registerWallet(stage: Stage, seller: Person, partyId: string): Promise<void> {
  const proof = await proofOf(partyId, "payouts", newWallet());
  const body = { provider: "custodian", ...proof };
  const method = await seller.post(`/v1/parties/${partyId}/payout-methods`, body);
  stage.expect(`${partyId} proves that the wallet is his`, method.status, 201);
}

/** Sends USDC to the escrow's own address, deep enough to be final. */
async function send(stage: Stage, sale: Sale, amount: string): Promise<void> {
  const { body } = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
  const from = newWallet().address;
  await stage.play("custodian", "receive", { address: body.deposit.address, from, amount });
  await confirm(stage);
}

async function confirm(stage: Stage): Promise<void> {
  await stage.play("custodian", "mine", { blocks: 12 });
  await stage.settle();
}

const happy: Story = {
  name: "happy-custodian",
  title: "A sale in USDC, paid in two parts to an address of its own",
  async play(stage) {
    await registerWallet(stage, stage.as("bob", "seller"), "bob");
    const sale = await agree(stage, deal);
    await send(stage, sale, "100000000");
    const { body: short } = await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`);
    stage.expect("100 USDC arrive, which is short: UNDERFUNDED", short.status, "UNDERFUNDED");
    await send(stage, sale, "157550000");
    await expectState(stage, sale, "the rest arrives", "FUNDS_HELD");
    await sale.act(sale.alice, "release");
    await stage.settle();
    await confirm(stage);
    await expectState(stage, sale, "the withdrawal is final", "RELEASED");
    await expectFunds(stage, sale, { funded: "257550000", released: "249500000", fees: "8050000" });
  },
};

const late: Story = {
  name: "late-usdc",
  title:
    "USDC arrives after the deal was cancelled: it goes back to a proven wallet, not to the sender",
  async play(stage) {
    const sale = await agree(stage, deal);
    await sale.act(sale.alice, "cancel");
    await stage.settle();
    await expectState(stage, sale, "Alice cancels before she has paid", "CANCELLED");
    await send(stage, sale, "257550000");
    await expectState(stage, sale, "her payment was on its way: the deal stays", "CANCELLED");
    await expectFunds(stage, sale, { funded: "257550000", held: "0", refunded: "0" });
    const proof = await proofOf("alice", "refunds", newWallet());
    const registered = await sale.alice.post("/v1/parties/alice/refund-addresses", proof);
    stage.expect("she proves a wallet of hers", registered.status, 201);
    await stage.pass("PT1H");
    await confirm(stage);
    await expectFunds(stage, sale, { refunded: "257550000", pending: "0", reserved: "0" });
  },
};

const sanctioned: Story = {
  name: "sanctions-hit",
  title:
    "The buyer is on a sanctions list: her money is blocked, and neither paid out nor given back",
  async play(stage) {
    const sale = await agree(stage, { ...deal, buyerId: "alice_sanctioned" });
    await send(stage, sale, "257550000");
    await expectState(stage, sale, "screening finds her", "BLOCKED");
    await expectFunds(stage, sale, { funded: "257550000", blocked: "257550000", held: "0" });
    const refused = await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
    stage.expect("nobody can release it", refused.status >= 400, true);
    await stage.pass("P40D");
    await expectState(stage, sale, "and no deadline does", "BLOCKED");
    const report = await stage.as("audrey", "auditor").get("/v1/blocked");
    const [line] = report.body.items;
    stage.expect("it is in the report of blocked property", line?.partyId, "alice_sanctioned");
  },
};

export const inUsdc: readonly Story[] = [happy, late, sanctioned];
