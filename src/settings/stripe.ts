/**
 * The settings of Stripe, and the wall between play and real money: a live key works in production
 * only, a test key never does, and a simulator is never taken for Stripe there.
 */
import { z } from "zod";
import { amountsByCurrency, parseAmounts } from "./deal-rules.ts";

/** About 10,000 USD. */
const defaultLimits: ReadonlyMap<string, bigint> = new Map([
  ["USD", 1_000_000n],
  ["EUR", 1_000_000n],
  ["JPY", 1_500_000n],
  ["KWD", 3_000_000n],
]);

const secretList = z
  .string()
  .transform((value) => value.split(",").map((secret) => secret.trim()))
  .refine((list) => list.every((secret) => /^whsec_\S+$/.test(secret)), {
    error: "secrets like whsec_…, comma-separated while one is changed for another",
  });

export const stripeSettings = {
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^(sk|rk)_(test|live)_\S+$/, { error: "a key like sk_test_… or sk_live_…" })
    .optional(),
  STRIPE_PUBLISHABLE_KEY: z
    .string()
    .regex(/^pk_(test|live)_\S+$/, { error: "a key like pk_test_… or pk_live_…" })
    .optional(),
  STRIPE_WEBHOOK_SECRET: secretList.optional(),
  STRIPE_CONNECT_WEBHOOK_SECRET: secretList.optional(),
  STRIPE_API_BASE: z
    .string()
    .regex(/^https?:\/\/[^/\s]+$/, { error: "an http(s) URL without a path" })
    .optional(),
  STRIPE_MAX_AMOUNT: amountsByCurrency.optional(),
  STRIPE_BANK_DEBITS: z
    .enum(["succeeded", "available"], { error: "one of succeeded, available" })
    .default("succeeded"),
};

export const stripeSecretNames = [
  "STRIPE_SECRET_KEY",
  "STRIPE_WEBHOOK_SECRET",
  "STRIPE_CONNECT_WEBHOOK_SECRET",
] as const;

type StripeSettings = Readonly<
  z.output<z.ZodObject<typeof stripeSettings>> & { readonly APP_ENV: string }
>;

interface Problem {
  readonly name: keyof typeof stripeSettings;
  readonly value: string;
  readonly expected: string;
}

/** What does not fit together; undefined members are simply not set. */
export function stripeContradictions(settings: StripeSettings): readonly Problem[] {
  const { STRIPE_SECRET_KEY: secret, STRIPE_PUBLISHABLE_KEY: publishable } = settings;
  const problems: Problem[] = [];
  const add = (name: Problem["name"], expected: string) =>
    problems.push({ name, value: "", expected });
  if (secret === undefined) {
    if (publishable !== undefined || settings.STRIPE_WEBHOOK_SECRET !== undefined) {
      add(
        "STRIPE_SECRET_KEY",
        "the account's secret key, since other settings of Stripe are there",
      );
    }
    return problems;
  }
  if (settings.STRIPE_WEBHOOK_SECRET === undefined) {
    add("STRIPE_WEBHOOK_SECRET", "the secret of the account's webhook endpoint");
  }
  if (publishable !== undefined && isLive(publishable) !== isLive(secret)) {
    const [value, right] = isLive(publishable)
      ? ["pk_live_…", "pk_test_…"]
      : ["pk_test_…", "pk_live_…"];
    const expected = `${right}, the mode of STRIPE_SECRET_KEY`;
    problems.push({ name: "STRIPE_PUBLISHABLE_KEY", value, expected });
  }
  return problems;
}

/** What would let play money and real money meet. */
export function stripeGuards(settings: StripeSettings): readonly Problem[] {
  const { STRIPE_SECRET_KEY: secret, STRIPE_API_BASE: base } = settings;
  if (secret === undefined) return [];
  const name = "STRIPE_SECRET_KEY";
  if (settings.APP_ENV !== "production") {
    if (!isLive(secret)) return [];
    return [{ name, value: "sk_live_…", expected: "APP_ENV=production for a live key" }];
  }
  const guards: Problem[] = [];
  if (!isLive(secret)) {
    guards.push({ name, value: "sk_test_…", expected: "a live key in production" });
  }
  if (base !== undefined) {
    guards.push({ name: "STRIPE_API_BASE", value: base, expected: "Stripe itself in production" });
  }
  if (settings.STRIPE_CONNECT_WEBHOOK_SECRET === undefined) {
    const expected = "the secret of the endpoint for connected accounts";
    guards.push({ name: "STRIPE_CONNECT_WEBHOOK_SECRET", value: "", expected });
  }
  return guards;
}

/** What the provider is made with; undefined without a key. */
export function stripeConfig(settings: StripeSettings) {
  const { STRIPE_SECRET_KEY: secretKey } = settings;
  if (secretKey === undefined) return undefined;
  return {
    secretKey,
    live: isLive(secretKey),
    publishableKey: settings.STRIPE_PUBLISHABLE_KEY,
    webhookSecrets: {
      platform: settings.STRIPE_WEBHOOK_SECRET ?? [],
      connect: settings.STRIPE_CONNECT_WEBHOOK_SECRET ?? [],
    },
    bankDebits: settings.STRIPE_BANK_DEBITS,
    apiBase: settings.STRIPE_API_BASE,
  };
}

/** The most that Stripe carries in one deal; a currency's default stands until it is set. */
export function stripeLimits(settings: StripeSettings): ReadonlyMap<string, bigint> {
  const set = parseAmounts(settings.STRIPE_MAX_AMOUNT ?? "") ?? new Map<string, bigint>();
  const limits = new Map([...defaultLimits, ...set]);
  return new Map([...limits].map(([currency, amount]) => [`stripe ${currency}`, amount]));
}

/** The key says it itself. */
function isLive(key: string): boolean {
  return key.split("_")[1] === "live";
}
