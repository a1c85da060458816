/**
 * Money is a bigint of minor units. Parts always add up to the whole: shares of a fee are cumulative
 * floors, so no unit appears or vanishes however an amount is cut.
 */
import { required } from "./assert.ts";

export interface Currency {
  readonly code: string;
  /** Decimals of the minor unit. */
  readonly exponent: number;
  /** Amounts that move are multiples of this: three-decimal currencies settle with a last 0. */
  readonly step: bigint;
}

/** The most a deal is worth, its buyer's fee included; far below int64, so that sums fit. */
export const maxAmount = 1_000_000_000_000_000n;

/** Currencies whose amounts are understood; which of them are taken is the fee table's to say. */
const currencies: ReadonlyMap<string, Currency> = new Map(
  [
    ...["AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "INR"].map(decimal),
    ...["MXN", "NOK", "NZD", "PLN", "RON", "SEK", "SGD", "USD", "ZAR"].map(decimal),
    ...["JPY", "KRW"].map((code) => ({ code, exponent: 0, step: 1n })),
    ...["BHD", "JOD", "KWD", "OMR", "TND"].map((code) => ({ code, exponent: 3, step: 10n })),
    { code: "USDC", exponent: 6, step: 1n },
  ].map((row) => [row.code, row]),
);

/** Undefined for a currency whose minor unit is not known here. */
export function currencyOf(code: string): Currency | undefined {
  return currencies.get(code);
}

/** What a part of the whole costs when parts worth `done` have paid `taken` already. */
export interface CumulativeFee {
  /** The fee of the whole. */
  readonly fee: bigint;
  readonly whole: bigint;
  readonly done: bigint;
  readonly taken: bigint;
  readonly part: bigint;
  readonly step?: bigint;
}

/** floor(fee × (done + part) ÷ whole) − taken: the parts' fees add up to the whole's. */
export function cumulativeFee({ fee, whole, done, taken, part, step = 1n }: CumulativeFee): bigint {
  const due = floorToStep((fee * (done + part)) / whole, step) - taken;
  // Parts that were undone in between can have paid a unit more than their share.
  return clamp(due, 0n, part);
}

/** The least amount of a currency that a provider moves, minor units. */
export function stepOf(currency: string): bigint {
  return required(currencyOf(currency), `the currency ${currency}`).step;
}

export function floorToStep(amount: bigint, step: bigint): bigint {
  return amount - (amount % step);
}

export function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

export function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

export function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}

/**
 * Takes `amount` from the `available` amounts in their order, as much of each as there is.
 * What they cannot give is returned as `rest`.
 */
export function takeInOrder(
  amount: bigint,
  available: readonly bigint[],
): { readonly parts: readonly bigint[]; readonly rest: bigint } {
  let rest = amount;
  const parts = available.map((there) => {
    const part = min(rest, max(there, 0n));
    rest -= part;
    return part;
  });
  return { parts, rest };
}

export function clamp(value: bigint, least: bigint, most: bigint): bigint {
  return max(least, min(value, max(most, least)));
}

function decimal(code: string): Currency {
  return { code, exponent: 2, step: 1n };
}
