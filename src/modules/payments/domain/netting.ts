/** Which debt a seller's money is kept for, and how much of it: one debt a currency, over all his escrows. */
import type { Payment } from "./payment.ts";

/** By which debts are found, and what is being taken back for them. */
export function debtKey(partyId: string, currency: string): string {
  return `${partyId} ${currency}`;
}

export function sellersDebt({ sellerId, currency }: Payment): string {
  return debtKey(sellerId, currency);
}

/** Of what is payable to him, as much as may be kept for a debt; minor units, rounded down. */
export function nettableOf(percent = 100): (net: bigint) => bigint {
  return (net) => (net * BigInt(percent)) / 100n;
}
