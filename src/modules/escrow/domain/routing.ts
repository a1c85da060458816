/**
 * Which provider carries a deal: by its currency and its whole amount. Never by its milestones, so
 * that cutting a deal into parts dodges no provider's limit; and never by converting it.
 */
import { CommandRejected_Code as Code } from "#gen/escrow/v1/events_pb";
import type { Money } from "#gen/escrow/v1/types_pb";
import type { Rejection, Routing } from "./messages.ts";

/** What plays money is not proposed where something moves it. */
const lastResort = "sandbox";

/** A system in which nothing is real. */
export const sandboxOnly: Routing = { names: [lastResort], most: new Map() };

/** By what they can hold. */
const holds: ReadonlyMap<string, (currency: string) => boolean> = new Map([
  [lastResort, () => true],
  ["stripe", (currency: string) => currency !== "USDC"],
  ["custodian", (currency: string) => currency === "USDC"],
]);

/** For terms that name none. What it carries too little of is its guard's to say. */
export function providerFor({ currency }: Money, { names }: Routing): string {
  const real = names.filter((name) => name !== lastResort);
  const carrier = real.find((name) => canHold(name, currency));
  if (carrier !== undefined || names.includes(lastResort)) return carrier ?? lastResort;
  return real[0] ?? lastResort;
}

export function providerGuard(
  provider: string,
  { currency, amount }: Money,
  { most }: Routing,
): Rejection | undefined {
  if (!canHold(provider, currency)) {
    const detail = `${provider} does not hold ${currency}`;
    return { code: Code.PROVIDER_UNSUPPORTED, detail };
  }
  const limit = most.get(`${provider} ${currency}`);
  if (limit === undefined || amount <= limit) return undefined;
  const detail = `${provider} carries at most ${limit} ${currency} in a deal: agree on it in USDC`;
  return { code: Code.PROVIDER_LIMIT, detail };
}

function canHold(provider: string, currency: string): boolean {
  return holds.get(provider)?.(currency) ?? false;
}
