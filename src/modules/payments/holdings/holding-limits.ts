/** For how many days a provider lets money be held, by the seller's country. */

export interface HoldingLimit {
  /** A name, or "*" for every one. */
  readonly provider: string;
  /** ISO 3166-1 alpha-2, or "*". */
  readonly country: string;
  readonly days: number;
}

export type HoldingLimits = readonly HoldingLimit[];

const form = /^([a-z*]{1,32})\/([A-Z]{2}|\*)=([1-9]\d{0,3})$/;

/** `*\/*=90,*\/US=730,stripe/TH=10`, the general one included; throws what is not of that form. */
export function holdingLimits(text: string): HoldingLimits {
  const limits = text.split(",").map((part) => {
    const [, provider, country, days] = form.exec(part.trim()) ?? [];
    if (!provider || !country || !days) throw new Error(`no holding limit: ${part}`);
    return { provider, country, days: Number(days) };
  });
  if (limits.some(({ provider, country }) => provider === "*" && country === "*")) return limits;
  throw new Error("there is no general holding limit");
}

/** The most particular rule: provider and country, provider, country, any. */
export function limitDaysFor(limits: HoldingLimits, provider: string, country: string): number {
  const candidates = [
    [provider, country],
    [provider, "*"],
    ["*", country],
    ["*", "*"],
  ];
  for (const [wantedProvider, wantedCountry] of candidates) {
    const found = limits.find(
      (limit) => limit.provider === wantedProvider && limit.country === wantedCountry,
    );
    if (found !== undefined) return found.days;
  }
  throw new Error("there is no general holding limit");
}
