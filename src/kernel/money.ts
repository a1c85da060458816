/**
 * Money is a bigint of minor units. Parts always add up to the whole: shares of a fee are cumulative
 * floors, so no unit appears or vanishes however an amount is cut.
 */

/** A price: basis points of the amount plus a fixed part, within optional bounds. Minor units. */
export interface FeeRule {
  readonly basisPoints: bigint;
  readonly fixed: bigint;
  readonly min?: bigint;
  readonly max?: bigint;
}

export interface Currency {
  readonly code: string;
  /** Decimals of the minor unit. */
  readonly exponent: number;
  /** Amounts that move are multiples of this: three-decimal currencies settle with a last 0. */
  readonly step: bigint;
  readonly buyerFee: FeeRule;
  readonly sellerFee: FeeRule;
}

export interface Fees {
  readonly buyer: bigint;
  readonly seller: bigint;
}

/** The most a deal is worth, its buyer's fee included; far below int64, so that sums fit. */
export const maxAmount = 1_000_000_000_000_000n;

const currencies: ReadonlyMap<string, Currency> = new Map(
  [
    currency("USD", 2, { buyerFixed: 30n, sellerFixed: 50n }),
    currency("EUR", 2, { buyerFixed: 30n, sellerFixed: 50n }),
    currency("JPY", 0, { buyerFixed: 40n, sellerFixed: 60n }),
    currency("KWD", 3, { buyerFixed: 100n, sellerFixed: 150n, step: 10n }),
    currency("USDC", 6, { buyerFixed: 300_000n, sellerFixed: 500_000n }),
  ].map((row) => [row.code, row]),
);

/** The schedule's row; undefined for a currency without one. */
export function currencyOf(code: string): Currency | undefined {
  return currencies.get(code);
}

/** What both sides pay for an escrow of `amount`. */
export function feesFor(amount: bigint, row: Currency): Fees {
  return {
    buyer: floorToStep(price(amount, row.buyerFee), row.step),
    seller: floorToStep(price(amount, row.sellerFee), row.step),
  };
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

function price(amount: bigint, { basisPoints, fixed, min: least, max: most }: FeeRule): bigint {
  const fee = (amount * basisPoints) / 10_000n + fixed;
  return clamp(fee, least ?? 0n, most ?? fee);
}

function clamp(value: bigint, least: bigint, most: bigint): bigint {
  return max(least, min(value, max(most, least)));
}

function currency(
  code: string,
  exponent: number,
  fees: { readonly buyerFixed: bigint; readonly sellerFixed: bigint; readonly step?: bigint },
): Currency {
  return {
    code,
    exponent,
    step: fees.step ?? 1n,
    buyerFee: { basisPoints: 290n, fixed: fees.buyerFixed },
    sellerFee: { basisPoints: 0n, fixed: fees.sellerFixed },
  };
}
