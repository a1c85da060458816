/**
 * The custodian's adapter over HTTP against the simulator. The suite speaks of dollars; here each is
 * a unit of USDC, and parties get wallets of their own.
 */
import { privateKeyToAccount } from "viem/accounts";
import { createManualClock } from "#platform/clock-manual";
import type { PaymentProvider, ProviderCall } from "../../src/modules/payments/provider.ts";
import {
  type CustodianConfig,
  createCustodianProvider,
} from "../../src/modules/payments/providers/custodian/provider.ts";
import { walletMessage } from "../../src/modules/payments/providers/custodian/wallets.ts";
import {
  type CustodianSimulator,
  judge,
  mine,
  receive,
  reorganise,
  startCustodianSimulator,
} from "../../src/simulators/custodian/index.ts";
import type { Harness, SellerName, SentWebhook } from "./provider-harness.ts";

export const custodianCredentials = { keyId: "key_of_tests", secret: "a-secret-of-tests-only" };
export const custodianWebhookSecrets = ["whsec_custodian_new", "whsec_custodian_old"] as const;
export const baseChain = "8453";
export const bridgedToken = "0xd9aAEc86B65D86f6A7B5B1b0c42FFA531710b6CA";
export const buyersWallet = walletOf("alice").address;

/** A wallet that is always the same for a name. */
export function walletOf(name: string) {
  const key = Buffer.alloc(32, 1);
  Buffer.from(name).copy(key, 1, 0, 31);
  return privateKeyToAccount(`0x${key.toString("hex")}`);
}

/** What a party sends to have its wallet taken. */
export async function walletProof(partyId: string, use: "payouts" | "refunds", name = partyId) {
  const { address, signMessage } = walletOf(name);
  const message = walletMessage({ partyId, chainId: baseChain, address, use });
  return { address, chainId: baseChain, signature: await signMessage({ message }) };
}

export interface CustodianHarness extends Harness {
  readonly simulator: CustodianSimulator;
  readonly config: CustodianConfig;
}

export async function openCustodian(): Promise<CustodianHarness> {
  const clock = createManualClock();
  const sent: SentWebhook[] = [];
  const receiver = Bun.serve({
    port: 0,
    fetch: async (request) => {
      sent.push({ bytes: new Uint8Array(await request.arrayBuffer()), headers: request.headers });
      return new Response();
    },
  });
  const simulator = startCustodianSimulator({
    credentials: custodianCredentials,
    now: clock.wall,
    webhooks: { url: `http://127.0.0.1:${receiver.port}/`, secrets: custodianWebhookSecrets },
  });
  const { book } = simulator;
  const config: CustodianConfig = {
    url: simulator.url,
    credentials: custodianCredentials,
    webhookSecrets: custodianWebhookSecrets.slice(0, 1),
    chainId: baseChain,
    confirmations: 12,
    live: false,
  };
  const provider = createCustodianProvider({ ...config, clock });
  const names = namesOf("normal", "unready", "lost", "broken", "busy");
  for (const [name, partyId] of Object.entries(names)) {
    if (name === "unready") continue;
    const account = await provider.createAccount(await accountRequest(partyId));
    if (account.kind !== "succeeded") throw new Error(account.kind);
  }
  book.settings.approvesAddresses = false;
  const targetOf = (partyId: string) => walletOf(partyId).address;
  simulator.fail("lost", `"to":"${targetOf(names.lost)}"`);
  simulator.fail("before", `"to":"${targetOf(names.broken)}"`);
  simulator.fail("busy", `"to":"${targetOf(names.busy)}"`);
  return {
    provider: inDollars(provider),
    clock,
    simulator,
    config,
    names,
    targetOf,
    parts: [6_000n, 4_320n],
    onePool: true,
    paidType: "deposit.final",
    declined: "DEPOSIT_ORPHANED",
    failingRefund: async () => {
      book.failing.set(targetOf("dave"), "address_rejected");
      return { party: { target: targetOf("dave") }, code: "address_rejected" };
    },
    pay: async (objectId, amount = 10_320n) => {
      // The suite expects one fee of a payment; a first part is taken without.
      book.settings.depositFee = amount === 6_000n ? 0n : 329n;
      receive(book, objectId, { from: buyersWallet, amount });
      mine(book, 12);
    },
    decline: async (objectId) => {
      receive(book, objectId, { from: buyersWallet, amount: 10_320n });
      mine(book, 3);
      reorganise(book, 3);
    },
    makeReady: async (account) => {
      judge(book, account, "approved");
    },
    goOn: async () => {
      mine(book, 12);
      await simulator.flush();
    },
    webhooks: () => sent.splice(0),
    close: async () => {
      await simulator.stop();
      await receiver.stop(true);
    },
  };
}

async function accountRequest(partyId: string) {
  const proof = await walletProof(partyId, "payouts");
  return { partyId, serviceId: "", returnUrl: "", refreshUrl: "", account: "", ...proof };
}

function inDollars(provider: PaymentProvider): PaymentProvider {
  const inUsdc = <C extends ProviderCall>(call: C): C => ({
    ...call,
    request: { ...call.request, currency: "USDC" },
  });
  return {
    ...provider,
    createPayment: (call) => provider.createPayment(inUsdc(call)),
    createRefund: (call) => provider.createRefund(inUsdc(call)),
    createAccount: async ({ partyId }) => provider.createAccount(await accountRequest(partyId)),
    listMovements: async (request) => {
      const listed = await provider.listMovements(request);
      if (listed.kind !== "succeeded") return listed;
      const items = listed.value.items.map((line) => ({ ...line, currency: "USD" }));
      return { kind: "succeeded", value: { ...listed.value, items } };
    },
  };
}

function namesOf(...names: readonly SellerName[]): Record<SellerName, string> {
  return Object.fromEntries(names.map((name) => [name, `bob_${name}`])) as Record<
    SellerName,
    string
  >;
}
