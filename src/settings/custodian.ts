/**
 * The settings of the USDC custodian and of wallet screening. Real money needs both: without a
 * screening that answers, no deposit is ever accepted.
 */
import { z } from "zod";

const secretList = z
  .string()
  .transform((value) => value.split(",").map((secret) => secret.trim()))
  .refine((list) => list.every((secret) => secret.length >= 16), {
    error: "secrets of at least 16 characters, comma-separated while one is changed for another",
  });
const baseUrl = z
  .string()
  .regex(/^https?:\/\/[^/\s]+$/, { error: "an http(s) URL without a path" });

export const custodianSettings = {
  CUSTODIAN_URL: baseUrl.optional(),
  CUSTODIAN_API_KEY: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}:\S{16,}$/, { error: "a key like key-id:secret" })
    .optional(),
  CUSTODIAN_WEBHOOK_SECRET: secretList.optional(),
  CUSTODIAN_CHAIN: z
    .enum(["8453", "84532"], { error: "8453 (Base) or 84532 (its test network)" })
    .default("8453"),
  CUSTODIAN_CONFIRMATIONS: z
    .string()
    .regex(/^[1-9][0-9]{0,3}$/, { error: "a whole number from 1 to 9999" })
    .transform(Number)
    .default(600),
  SCREENING_URL: baseUrl.optional(),
  SCREENING_API_KEY: z.string().min(1).optional(),
};

export const custodianSecretNames = [
  "CUSTODIAN_API_KEY",
  "CUSTODIAN_WEBHOOK_SECRET",
  "SCREENING_API_KEY",
] as const;

type CustodianSettings = Readonly<
  z.output<z.ZodObject<typeof custodianSettings>> & { readonly APP_ENV: string }
>;

interface Problem {
  readonly name: keyof typeof custodianSettings;
  readonly value: string;
  readonly expected: string;
}

/** What does not fit together; undefined members are simply not set. */
export function custodianContradictions(settings: CustodianSettings): readonly Problem[] {
  const all = ["CUSTODIAN_URL", "CUSTODIAN_API_KEY", "CUSTODIAN_WEBHOOK_SECRET"] as const;
  const set = all.filter((name) => settings[name] !== undefined);
  const missing: Problem["name"][] =
    set.length === 0 ? [] : all.filter((name) => settings[name] === undefined);
  if (settings.SCREENING_URL !== undefined && settings.SCREENING_API_KEY === undefined) {
    missing.push("SCREENING_API_KEY");
  }
  const expected = "a value, since others of the same service are set";
  return missing.map((name) => ({ name, value: "", expected }));
}

/** What would let play money and real money meet, or real money in unscreened. */
export function custodianGuards(settings: CustodianSettings): readonly Problem[] {
  const { CUSTODIAN_URL: url, CUSTODIAN_CHAIN: chain, SCREENING_URL: screening } = settings;
  if (url === undefined || settings.APP_ENV !== "production") return [];
  const guards: Problem[] = [];
  const add = (name: Problem["name"], value: string, expected: string) =>
    guards.push({ name, value, expected });
  if (!url.startsWith("https:")) add("CUSTODIAN_URL", url, "https in production");
  if (chain !== "8453") add("CUSTODIAN_CHAIN", chain, "8453 in production");
  if (screening === undefined) add("SCREENING_URL", "", "a wallet screening service");
  else if (!screening.startsWith("https:")) add("SCREENING_URL", screening, "https in production");
  return guards;
}

/** What the provider is made with; undefined without a custodian. */
export function custodianConfig(settings: CustodianSettings) {
  const { CUSTODIAN_URL: url, CUSTODIAN_API_KEY: key, CUSTODIAN_WEBHOOK_SECRET } = settings;
  if (url === undefined || key === undefined) return undefined;
  const colon = key.indexOf(":");
  return {
    url,
    credentials: { keyId: key.slice(0, colon), secret: key.slice(colon + 1) },
    webhookSecrets: CUSTODIAN_WEBHOOK_SECRET ?? [],
    chainId: settings.CUSTODIAN_CHAIN,
    confirmations: settings.CUSTODIAN_CONFIRMATIONS,
    live: settings.APP_ENV === "production",
  };
}

/** Undefined: nobody real screens, the sandbox's rules do. */
export function screeningConfig({
  SCREENING_URL: url,
  SCREENING_API_KEY: apiKey,
}: CustodianSettings) {
  return url === undefined || apiKey === undefined ? undefined : { url, apiKey };
}
