/**
 * What must hold at Stripe before real money moves through this server: the key is of the account
 * whose books these are, no automatic payout drains what is held for others, and webhooks come in
 * the version we read. In live mode what cannot be asked is a no.
 */
import type Stripe from "stripe";
import type { Database } from "#platform/database/database";
import { SystemicError } from "#platform/errors";
import type { Logger } from "#platform/telemetry/logger";
import { apiVersion, type StripeClient } from "./client.ts";

export interface BootOptions {
  readonly client: StripeClient;
  readonly live: boolean;
  readonly db: Database;
  readonly logger: Logger;
  /** Nothing is written down: somebody only wants to know. */
  readonly looking?: boolean | undefined;
}

const webhookPath = "/v1/webhooks/stripe";

/** Throws SystemicError with the remedy. */
export async function assertStripe(options: BootOptions): Promise<void> {
  const { client, live, logger } = options;
  const asked = await client.read((ask) =>
    ask((timeout) => client.sdk.accounts.retrieveCurrent({}, timeout)),
  );
  if (asked.kind === "succeeded") {
    await assertSameAccount(asked.value.id, options);
  } else if (live) {
    throw refused(`Stripe did not say whose key this is (${reasonOf(asked)})`);
  } else {
    logger.warn({ reason: reasonOf(asked) }, "Stripe does not answer: started without asking");
  }
  if (!live) return;
  await assertManualPayouts(client);
  await assertWebhooks(client);
}

/** The first start writes down whose books these are; a test key never meets live books. */
async function assertSameAccount(
  account: string,
  { db, live, looking = false }: BootOptions,
): Promise<void> {
  if (!looking)
    await db.sql`
    INSERT INTO payments.provider_identity (provider, account, live)
    VALUES ('stripe', ${account}, ${live}) ON CONFLICT (provider) DO NOTHING`;
  const [known] = await db.sql<{ account: string; live: boolean }>`
    SELECT account, live FROM payments.provider_identity WHERE provider = 'stripe'`;
  if (known === undefined || (known.account === account && known.live === live)) return;
  const mode = (of: boolean) => (of ? "live" : "test");
  throw refused(
    `STRIPE_SECRET_KEY is of ${account} (${mode(live)}), ` +
      `but this database holds the books of ${known.account} (${mode(known.live)})`,
  );
}

async function assertManualPayouts({ read, sdk }: StripeClient): Promise<void> {
  const asked = await read((ask) => ask((timeout) => sdk.balanceSettings.retrieve({}, timeout)));
  if (asked.kind !== "succeeded") throw refused(`payout settings unreadable (${reasonOf(asked)})`);
  const { payouts } = asked.value.payments;
  const rules = Object.values(payouts?.automatic_transfer_rules_by_currency ?? {}).flat();
  if (payouts?.schedule?.interval === "manual" && rules.length === 0) return;
  throw refused("payouts are automatic: set payouts to manual, or they drain what is held");
}

async function assertWebhooks({ read, sdk }: StripeClient): Promise<void> {
  const asked = await read((ask) =>
    ask((timeout) => sdk.webhookEndpoints.list({ limit: 100 }, timeout)),
  );
  if (asked.kind !== "succeeded") throw refused(`endpoints unreadable (${reasonOf(asked)})`);
  const ours = asked.value.data.filter(isOurs);
  const other = ours.find((endpoint) => endpoint.api_version !== apiVersion);
  if (ours.length === 0) throw refused(`no enabled webhook endpoint ends with ${webhookPath}`);
  if (other === undefined) return;
  const version = other.api_version ?? "the account's default version";
  throw refused(`the endpoint ${other.id} sends ${version}: make it anew with ${apiVersion}`);
}

function isOurs({ url, status }: Stripe.WebhookEndpoint): boolean {
  return status === "enabled" && new URL(url).pathname === webhookPath;
}

type Failed = Exclude<Awaited<ReturnType<StripeClient["read"]>>, { readonly kind: "succeeded" }>;

function reasonOf(failed: Failed): string {
  return failed.kind === "retry" ? "too many requests" : failed.detail;
}

function refused(reason: string): SystemicError {
  return new SystemicError(`Stripe: ${reason}`);
}
