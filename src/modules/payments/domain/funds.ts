/**
 * The escrow's own balances and what a fact adds to them, in minor units. Invariant: no part is
 * negative, and funded = pending + held + reserved + released + refunded + fees + chargedBack +
 * blocked, for balances and changes alike.
 */
import { TerminalError } from "#platform/errors";

export const parts = [
  "pending",
  "held",
  "reserved",
  "released",
  "refunded",
  "fees",
  "chargedBack",
  "blocked",
] as const;

export type Part = (typeof parts)[number];
export type Funds = Readonly<Record<Part | "funded", bigint>>;
/** Parts that are not named do not move. */
export type Change = Readonly<Partial<Record<Part | "funded", bigint>>>;

export const noFunds: Funds = {
  funded: 0n,
  pending: 0n,
  held: 0n,
  reserved: 0n,
  released: 0n,
  refunded: 0n,
  fees: 0n,
  chargedBack: 0n,
  blocked: 0n,
};

/** Throws TerminalError when a part would become negative or the equation would not hold. */
export function addFunds(funds: Funds, change: Change): Funds {
  const sum = { ...funds };
  for (const part of ["funded", ...parts] as const) sum[part] += change[part] ?? 0n;
  const negative = (["funded", ...parts] as const).find((part) => sum[part] < 0n);
  if (negative !== undefined) throw new TerminalError(`${negative} would be ${sum[negative]}`);
  if (sum.funded !== parts.reduce((total, part) => total + sum[part], 0n)) {
    throw new TerminalError("a change does not keep the conservation equation");
  }
  return sum;
}
