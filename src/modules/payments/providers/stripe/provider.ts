/**
 * Stripe behind the provider port: separate charges and transfers. The charge stays with the
 * platform until the escrow decides; whoever is paid, is paid by a transfer of his own.
 */
import type { Clock } from "#platform/clock";
import type { PaymentProvider } from "../../provider.ts";
import { createAccounts } from "./accounts.ts";
import { assertStripe, type BootOptions } from "./boot.ts";
import { createClient, timeoutMs } from "./client.ts";
import { createForeign } from "./foreign.ts";
import { createPayments } from "./intents.ts";
import { createLists } from "./lists.ts";
import { createRefunds } from "./refunds.ts";
import { createTransfers } from "./transfers.ts";
import { createWebhooks, type WebhookSecrets } from "./webhooks.ts";

export interface StripeConfig {
  readonly secretKey: string;
  /** Real money: the key says so itself. */
  readonly live: boolean;
  readonly publishableKey: string | undefined;
  readonly webhookSecrets: WebhookSecrets;
  readonly bankDebits: "succeeded" | "available";
  /** A simulator instead of Stripe itself. */
  readonly apiBase: string | undefined;
  /** What one request may take; 20 seconds unless told. */
  readonly requestMs?: number;
}

export interface StripeOptions extends StripeConfig {
  readonly clock: Clock;
}

export interface StripeProvider extends PaymentProvider {
  /** Throws SystemicError where starting would put money at risk. */
  prepare(deps: Pick<BootOptions, "db" | "logger" | "looking">): Promise<void>;
}

export function createStripeProvider(options: StripeOptions): StripeProvider {
  const { live } = options;
  const client = createClient(options);
  return {
    describe: () => ({
      name: "stripe",
      live,
      timeoutMs,
      // A seller has no account here until he made one.
      readyByDefault: () => false,
    }),
    ...createPayments({ ...options, client }),
    ...createTransfers({ client }),
    ...createRefunds({ client }),
    ...createForeign({ client }),
    ...createAccounts({ client }),
    ...createLists({ client }),
    ...createWebhooks({ client, secrets: options.webhookSecrets }),
    prepare: (deps) => assertStripe({ client, live, ...deps }),
  };
}
