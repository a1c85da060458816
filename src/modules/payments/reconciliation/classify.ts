/**
 * One thing at a provider as both books have it, and what is wrong with that. Pure. Nothing is said
 * of what has just moved: the other book may follow in a moment.
 */

export type BreakKind = "missing_here" | "missing_there" | "amount" | "fee" | "timing";

/** One side's sum over all movements of the thing, minor units, signed as our balance sees them. */
export interface Side {
  /** Before fees. */
  readonly gross: bigint;
  readonly fee: bigint;
  readonly lastAt: Date;
}

export interface Pair {
  readonly provider: string;
  /** 0: the platform's own, or nobody's. */
  readonly escrowNo: bigint;
  readonly key: string;
  readonly currency: string;
  readonly ours: Side | undefined;
  readonly theirs: (Side & { readonly exchanged: boolean }) | undefined;
  /** In the provider's words; "" when it has nothing of it. */
  readonly category: string;
  /** An operation of ours on it is under way, or we are to read it again. */
  readonly open: boolean;
}

export type Verdict = BreakKind | "fresh" | undefined;

/** The webhook and its handling follow a movement within this time. */
export const freshMs = 60_000;
/** Bank debits take four business days; what is open for longer is no longer a matter of time. */
const timingMs = 7 * 24 * 3_600_000;

export function classify(pair: Pair, now: Date): Verdict {
  const difference = differenceOf(pair);
  if (difference === undefined) return undefined;
  const age = now.getTime() - lastAt(pair);
  if (age < freshMs) return "fresh";
  return pair.open && age < timingMs ? "timing" : difference;
}

function differenceOf({ ours, theirs }: Pair): BreakKind | undefined {
  if (isNothing(ours) && isNothing(theirs)) return undefined;
  if (ours === undefined || isNothing(ours)) return "missing_here";
  if (theirs === undefined || isNothing(theirs)) return "missing_there";
  if (ours.gross !== theirs.gross || theirs.exchanged) return "amount";
  return ours.fee === theirs.fee ? undefined : "fee";
}

function isNothing(side: Side | undefined): boolean {
  return side === undefined || (side.gross === 0n && side.fee === 0n);
}

function lastAt({ ours, theirs }: Pair): number {
  return Math.max(ours?.lastAt.getTime() ?? 0, theirs?.lastAt.getTime() ?? 0);
}

/** By how much the books differ, whichever way: what a tolerance is held against. */
export function weightOf({ gross, fee }: { readonly gross: bigint; readonly fee: bigint }): bigint {
  return magnitude(gross) + magnitude(fee);
}

export function magnitude(amount: bigint): bigint {
  return amount < 0n ? -amount : amount;
}
