/**
 * A screening: the question whether a party's wallet may be paid from or to. What is not answered
 * holds the money; nothing passes because time went by.
 */
import type { Payment } from "./payment.ts";

export type ScreeningState = "DUE" | "HELD" | "CLEARED" | "BLOCKED" | "LIFTED";

/** What a hit moved to blocked, minor units. */
export interface BlockedShares {
  readonly pending: bigint;
  readonly held: bigint;
  readonly fees: bigint;
  /** Of another asset than the payment's. */
  readonly suspense: bigint;
}

export interface Screening {
  readonly reviewId: string;
  readonly purpose: "DEPOSIT" | "PAYOUT";
  /** The deposit or the transfer it holds back; "" for the other. */
  readonly depositId: string;
  readonly operationId: string;
  readonly partyId: string;
  /** "" where the provider has none. */
  readonly address: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly state: ScreeningState;
  readonly reason: string;
  /** The escrow has been told that it waits. */
  readonly told: boolean;
  readonly decidedBy: readonly string[];
  readonly blocked: BlockedShares;
  readonly blockedAt: Date | undefined;
  readonly liftedAt: Date | undefined;
  readonly dueAt: Date | undefined;
  readonly tries: number;
  readonly openedAt: Date;
}

export const nothingBlocked: BlockedShares = { pending: 0n, held: 0n, fees: 0n, suspense: 0n };

/** Money that comes from and goes to wallets. */
export function isScreened({ currency }: Pick<Payment, "currency">): boolean {
  return currency === "USDC";
}

export function isOpen({ state }: Screening): boolean {
  return state === "DUE" || state === "HELD";
}
