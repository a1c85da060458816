/** What the provider contract needs to play the outside world of a provider: its buyers, its banks. */
import type { ManualClock } from "#platform/clock-manual";
import type { PaymentProvider, ProviderRequest } from "../../src/modules/payments/provider.ts";

export interface SentWebhook {
  readonly bytes: Uint8Array;
  readonly headers: Headers;
}

/** What goes wrong at the provider with a seller's transfers. */
export type SellerName = "normal" | "unready" | "lost" | "broken" | "busy";

export interface Harness {
  readonly provider: PaymentProvider;
  readonly clock: ManualClock;
  /** Party ids that make the provider act so. */
  readonly names: Readonly<Record<SellerName, string>>;
  /** The provider's id of the seller's account; "" where it knows him by his id. */
  targetOf(sellerId: string): string;
  /** How a payment of 10320 arrives where it may arrive in parts. */
  readonly parts: readonly bigint[];
  /** Transfers and refunds draw on one figure; elsewhere each has the payment as its limit. */
  readonly onePool: boolean;
  readonly paidType: string;
  /** What a payment says that did not come through. */
  readonly declined: string;
  /** The buyer's side of a payment whose refund the bank will refuse, with the code it gives. */
  failingRefund(): Promise<{ readonly party: Partial<ProviderRequest>; readonly code: string }>;
  pay(objectId: string, amount?: bigint): Promise<void>;
  decline(objectId: string): Promise<void>;
  /** The seller does what his account still waits for. */
  makeReady(accountId: string): Promise<void>;
  /** Lets the provider do by itself what it does by itself. */
  goOn(): Promise<void>;
  /** Sent since the last call. */
  webhooks(): readonly SentWebhook[];
  close(): Promise<void>;
}

/** Beyond its own calls: what banks and other people do at a provider. */
export interface World {
  /** The buyer's bank asks `amount` back, all of it without, or only asks. */
  dispute(objectId: string, how: { amount?: bigint; inquiry?: boolean }): Promise<string>;
  escalate(disputeId: string): Promise<void>;
  closeDispute(disputeId: string, status: "won" | "lost"): Promise<void>;
  warn(objectId: string): Promise<string>;
  refundElsewhere(objectId: string, amount: bigint): Promise<void>;
  /** All that lies in the seller's account, to his bank. */
  payOut(seller: SellerAccount, outcome: "paid" | "failed"): Promise<void>;
}

export interface SellerAccount {
  readonly sellerId: string;
  readonly accountId: string;
}

export interface BankHarness extends Harness {
  readonly world: World;
}
