/**
 * The Stripe adapter with the real SDK, over HTTP, against the simulator; the simulator's webhooks
 * arrive at a receiver over HTTP too.
 */
import { createManualClock } from "#platform/clock-manual";
import {
  createStripeProvider,
  type StripeConfig,
} from "../../src/modules/payments/providers/stripe/provider.ts";
import { type StripeSimulator, startStripeSimulator } from "../../src/simulators/stripe/index.ts";
import type { BankHarness, SellerName, SentWebhook, World } from "./provider-harness.ts";

export const stripeSecrets = {
  platform: "whsec_platform_of_tests",
  connect: "whsec_connect_of_tests",
};

export interface StripeHarness extends BankHarness {
  readonly simulator: StripeSimulator;
  readonly config: StripeConfig;
}

export async function openStripe(changes: Partial<StripeConfig> = {}): Promise<StripeHarness> {
  const clock = createManualClock();
  const sent: SentWebhook[] = [];
  const receiver = Bun.serve({
    port: 0,
    fetch: async (request) => {
      sent.push({ bytes: new Uint8Array(await request.arrayBuffer()), headers: request.headers });
      return new Response();
    },
  });
  const url = `http://127.0.0.1:${receiver.port}/`;
  const simulator = startStripeSimulator({
    now: clock.wall,
    goesOn: false,
    webhooks: {
      platform: { url, secret: stripeSecrets.platform },
      connect: { url, secret: stripeSecrets.connect },
    },
  });
  const config: StripeConfig = {
    secretKey: "sk_test_of_tests",
    live: false,
    publishableKey: "pk_test_of_tests",
    webhookSecrets: {
      platform: ["whsec_older", stripeSecrets.platform],
      connect: [stripeSecrets.connect],
    },
    bankDebits: "succeeded",
    apiBase: simulator.url,
    ...changes,
  };
  const { control } = simulator;
  const names = namesOf("normal", "unready", "lost", "broken", "busy");
  const accounts = new Map<string, string>();
  const provider = createStripeProvider({ ...config, clock });
  for (const [name, partyId] of Object.entries(names)) {
    const account = await openAccount(simulator);
    accounts.set(partyId, account);
    if (name !== "unready") control.account({ account, state: "active" });
  }
  const targetOf = (sellerId: string) => accounts.get(sellerId) ?? "";
  const onTransferTo = (sellerId: string) => ({
    route: "POST /v1/transfers",
    where: { destination: targetOf(sellerId) },
  });
  control.fail({ ...onTransferTo(names.lost), kind: "unreadable" });
  control.fail({ ...onTransferTo(names.broken), kind: "error_before" });
  control.fail({ ...onTransferTo(names.busy), kind: "rate_limit", retryAfter: 7 });
  return {
    provider,
    clock,
    simulator,
    config,
    names,
    targetOf,
    parts: [10_320n],
    onePool: false,
    paidType: "payment_intent.succeeded",
    declined: "card_declined",
    failingRefund: async () => {
      control.settings({ refunds: "failed" });
      return { party: {}, code: "lost_or_stolen_card" };
    },
    pay: async (intent) => {
      control.buyer({ intent, act: "succeed" });
    },
    decline: async (intent) => {
      control.buyer({ intent, act: "decline" });
    },
    makeReady: async (account) => {
      control.account({ account, state: "active" });
    },
    goOn: async () => {
      await simulator.goOn();
      control.settings({ refunds: "succeeded" });
    },
    webhooks: () => sent.splice(0),
    world: worldOf(simulator),
    close: async () => {
      await simulator.stop();
      await receiver.stop(true);
    },
  };
}

function namesOf(...names: readonly SellerName[]): Record<SellerName, string> {
  return Object.fromEntries(names.map((name) => [name, `bob_${name}`])) as Record<
    SellerName,
    string
  >;
}

async function openAccount({ url }: StripeSimulator): Promise<string> {
  const headers = { Authorization: "Bearer sk_test_of_tests" };
  const answer = await fetch(`${url}/v1/accounts`, { method: "POST", headers });
  return ((await answer.json()) as { id: string }).id;
}

function worldOf({ control }: StripeSimulator): World {
  return {
    dispute: async (intent, { amount, inquiry = false }) => {
      const part = amount === undefined ? {} : { amount: Number(amount) };
      return control.dispute({ intent, inquiry, ...part }).id;
    },
    escalate: async (dispute) => {
      control.escalate({ dispute });
    },
    closeDispute: async (dispute, status) => {
      control.closeDispute({ dispute, status });
    },
    warn: async (intent) => control.warn({ intent }).id,
    refundElsewhere: async (intent, amount) => {
      control.dashboardRefund({ intent, amount: Number(amount) });
    },
    payOut: async ({ accountId: account }, status) => {
      const payout = control.payOut({ account, currency: "usd" });
      control.endPayout({ payout: payout.id, status });
    },
  };
}
