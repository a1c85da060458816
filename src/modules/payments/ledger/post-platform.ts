/**
 * The posting table of the platform's own movements at a provider: fees it took by itself, payouts
 * to the platform's bank, top-ups, money it keeps in reserve. None of it is anybody's but ours.
 */
import { type Account, clearing, platformBank, providerFees, reserveAt } from "./accounts.ts";
import type { LedgerTransaction, Posting } from "./post.ts";

/** Where a category's money comes from or goes to; absent: no rule books it. */
const counterpartOf: Readonly<Record<string, (provider: string) => Account>> = {
  fee: () => providerFees,
  network_cost: () => providerFees,
  tax: () => providerFees,
  payout: () => platformBank,
  payout_reversal: () => platformBank,
  topup: () => platformBank,
  topup_reversal: () => platformBank,
  reserved: reserveAt,
  risk_reserved_funds: reserveAt,
  connect_reserved_funds: reserveAt,
};

export function isPlatformCategory(category: string): boolean {
  return Object.hasOwn(counterpartOf, category);
}

/** `amount` signed: what came into our balance before the fee. */
export function platformMovement(
  provider: string,
  category: string,
  { amount, fee }: { readonly amount: bigint; readonly fee: bigint },
): LedgerTransaction {
  const counterpart = counterpartOf[category]?.(provider);
  if (counterpart === undefined) throw new Error(`no rule books ${category}`);
  return {
    reason: `platform_${category}`,
    postings: [
      ...signed(clearing(provider), counterpart, amount),
      ...signed(providerFees, clearing(provider), fee),
    ],
    change: {},
  };
}

function signed(debit: Account, credit: Account, amount: bigint): Posting[] {
  if (amount === 0n) return [];
  return amount > 0n
    ? [{ debit, credit, amount }]
    : [{ debit: credit, credit: debit, amount: -amount }];
}
