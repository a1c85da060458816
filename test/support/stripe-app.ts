/** The whole product with Stripe as its provider, and the simulator in Stripe's place. */
import { type StripeSimulator, startStripeSimulator } from "../../src/simulators/stripe/index.ts";
import { memoryStores, startAppOn, type TestApp } from "./app.ts";
import { createEscrow, type Sale } from "./sale.ts";
import { stripeSecrets } from "./stripe-harness.ts";

export interface StripeApp {
  readonly app: TestApp;
  readonly simulator: StripeSimulator;
  /** Until neither side has anything left to do. */
  settle(): Promise<void>;
  /** An escrow over Stripe whose terms both accepted. */
  accepted(changes?: object): Promise<StripeSale>;
  /** The same, paid by the buyer's card. */
  funded(changes?: object): Promise<StripeSale>;
  /** The seller's account at the simulator, ready to be paid. */
  onboard(sellerId: string): Promise<string>;
  stop(): Promise<void>;
}

export interface StripeSale extends Sale {
  /** The simulator's payment intent. */
  readonly intent: string;
}

export async function startStripeApp(environment: Record<string, string> = {}): Promise<StripeApp> {
  const simulator = startStripeSimulator({ goesOn: false });
  const { control } = simulator;
  const app = await startAppOn(await memoryStores(), {
    STRIPE_SECRET_KEY: "sk_test_of_tests",
    STRIPE_PUBLISHABLE_KEY: "pk_test_of_tests",
    STRIPE_WEBHOOK_SECRET: stripeSecrets.platform,
    STRIPE_CONNECT_WEBHOOK_SECRET: stripeSecrets.connect,
    STRIPE_API_BASE: simulator.url,
    ...environment,
  });
  const url = `${app.url}/v1/webhooks/stripe`;
  control.webhooks({
    platform: { url, secret: stripeSecrets.platform },
    connect: { url, secret: stripeSecrets.connect },
  });
  const accounts = new Map<string, string>();
  const settle = async () => {
    do await app.settle();
    while (await simulator.goOn());
  };
  const accepted = async (changes: object = {}): Promise<StripeSale> => {
    const { sellerId = "bob" } = changes as { readonly sellerId?: string };
    const created = await createEscrow(app, { terms: { provider: "stripe" }, ...changes });
    const { escrowId, termsHash } = created;
    const bob = app.as(sellerId, "seller");
    const answer = await bob.post(`/v1/escrows/${escrowId}/accept`, { termsHash });
    if (answer.status !== 200) throw new Error(`not accepted: ${JSON.stringify(answer.body)}`);
    await app.settle();
    const { id } = control.intentOf({ group: escrowId }) as { id: string };
    return { ...created, bob, intent: id };
  };
  return {
    app,
    simulator,
    settle,
    accepted,
    funded: async (changes) => {
      const sale = await accepted(changes);
      control.buyer({ intent: sale.intent, act: "succeed" });
      await settle();
      return sale;
    },
    onboard: async (sellerId) => {
      const there = accounts.get(sellerId);
      if (there !== undefined) return there;
      const body = {
        provider: "stripe",
        returnUrl: "https://market.example/back",
        refreshUrl: "https://market.example/again",
      };
      const answer = await app
        .as(sellerId, "seller")
        .post(`/v1/parties/${sellerId}/payout-methods`, body);
      if (answer.status !== 201) throw new Error(`no account: ${JSON.stringify(answer.body)}`);
      const account = answer.body.onboardingUrl.split("/").at(-1);
      accounts.set(sellerId, account);
      control.account({ account, state: "active" });
      await settle();
      return account;
    },
    stop: async () => {
      await app.stop();
      await simulator.stop();
    },
  };
}
