/**
 * What a deal costs: one rule for each side of it, per currency. Whoever a rule stands for pays it:
 * the buyer on top of the amount, the seller out of it. A currency without a row is not taken.
 */
import { type Currency, clamp, currencyOf, floorToStep } from "./money.ts";

/** Basis points of the amount plus a fixed part, within optional bounds. Minor units. */
export interface FeeRule {
  readonly basisPoints: bigint;
  readonly fixed: bigint;
  readonly min?: bigint;
  readonly max?: bigint;
}

export interface FeeRow {
  readonly buyer: FeeRule;
  readonly seller: FeeRule;
}

/** Rows by currency code. */
export type FeeTable = ReadonlyMap<string, FeeRow>;

export interface Fees {
  readonly buyer: bigint;
  readonly seller: bigint;
}

/** What is charged where nothing else is set. */
export const defaultFees: FeeTable = new Map([
  ["USD", usual(30n, 50n)],
  ["EUR", usual(30n, 50n)],
  ["JPY", usual(40n, 60n)],
  ["KWD", usual(100n, 150n)],
  ["USDC", usual(300_000n, 500_000n)],
]);

/** What both sides pay for a deal of `amount`; undefined for a currency without a row. */
export function feesFor(table: FeeTable, amount: bigint, code: string): Fees | undefined {
  const currency = currencyOf(code);
  const row = table.get(code);
  if (currency === undefined || row === undefined) return undefined;
  return { buyer: price(amount, row.buyer, currency), seller: price(amount, row.seller, currency) };
}

function price(
  amount: bigint,
  { basisPoints, fixed, min: least, max: most }: FeeRule,
  { step }: Currency,
): bigint {
  const fee = (amount * basisPoints) / 10_000n + fixed;
  return floorToStep(clamp(fee, least ?? 0n, most ?? fee), step);
}

function usual(buyerFixed: bigint, sellerFixed: bigint): FeeRow {
  return {
    buyer: { basisPoints: 290n, fixed: buyerFixed },
    seller: { basisPoints: 0n, fixed: sellerFixed },
  };
}
