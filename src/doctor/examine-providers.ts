/** Do the providers let us in? Only what changes nothing is asked. */
import type { Config } from "../config.ts";
import { type Finding, ill, textOf, unreachable, well } from "./finding.ts";

const stripeUrl = "https://api.stripe.com";
const deadlineMs = 5_000;

export async function examineProviders(config: Config): Promise<Finding[]> {
  const { STRIPE_SECRET_KEY: stripeKey, STRIPE_API_BASE, CUSTODIAN_URL, SCREENING_URL } = config;
  const found = await Promise.all([
    stripeKey === undefined ? [] : stripe(STRIPE_API_BASE ?? stripeUrl, stripeKey),
    CUSTODIAN_URL === undefined ? [] : reached("the custodian", "CUSTODIAN_URL", CUSTODIAN_URL),
    SCREENING_URL === undefined ? [] : reached("screening", "SCREENING_URL", SCREENING_URL),
  ]);
  const all = found.flat();
  return all.length > 0 ? all : [well("provider", "the sandbox: no money moves")];
}

async function stripe(base: string, key: string): Promise<Finding[]> {
  try {
    const { status } = await ask(`${base}/v1/balance`, { Authorization: `Bearer ${key}` });
    if (status === 200) return [well("provider", "Stripe takes the key")];
    if (status === 401) {
      const remedy = "set STRIPE_SECRET_KEY to a key that is not revoked";
      return [ill("provider", "Stripe refuses the key", remedy)];
    }
    return [
      ill("provider", `Stripe answers ${status}`, "look at the key's rights in the dashboard"),
    ];
  } catch (error) {
    const remedy = "look at the way out to api.stripe.com, or STRIPE_API_BASE";
    return [unreachable("provider", `Stripe does not answer: ${textOf(error)}`, remedy)];
  }
}

/** Its keys sign requests that do something, so that none is tried here. */
async function reached(who: string, setting: string, url: string): Promise<Finding[]> {
  try {
    const { status } = await ask(url, {});
    return [well("provider", `${who} is reached (${status}); its key is not tried`)];
  } catch (error) {
    const text = `${who} does not answer: ${textOf(error)}`;
    return [unreachable("provider", text, `mend ${setting}, or the way there`)];
  }
}

function ask(url: string, headers: Record<string, string>): Promise<Response> {
  return fetch(url, { headers, signal: AbortSignal.timeout(deadlineMs) });
}
