/**
 * The port to a payment provider. Every call that moves money carries a key bound to its bytes, so
 * that repeating it has one effect; every answer is classified, so that a time-out is never taken
 * for a failure. Never called inside a database transaction.
 */
import type { Instructions } from "./domain/payment.ts";

/** The one form of a request, as canonical JSON in the operation's bytes; amounts in minor units. */
export interface ProviderRequest {
  /** Travels as metadata, so that the object is found again by list. */
  readonly operationId: string;
  readonly escrowId: string;
  /** Our id of the payment. */
  readonly paymentId: string;
  /** The provider's id of the payment the call draws on or ends; "" when it creates one. */
  readonly paymentRef: string;
  readonly buyerId: string;
  readonly sellerId: string;
  readonly amount: string;
  readonly currency: string;
  readonly descriptorSuffix: string;
}

export interface ProviderCall {
  /** Operation id and attempt. */
  readonly key: string;
  /** What is sent: the same bytes under the same key, always. */
  readonly bytes: Uint8Array;
  readonly request: ProviderRequest;
}

/** Codes of a definite no. */
export type RefusalCode = "SELLER_NOT_READY" | "PROVIDER_REFUSED" | "NOT_POSSIBLE" | "NOT_FOUND";

export type Outcome<T> =
  | { readonly kind: "succeeded"; readonly value: T }
  /** It did not happen and will not. */
  | { readonly kind: "refused"; readonly code: RefusalCode; readonly detail: string }
  /** Provably nothing happened: the same key again, later. */
  | { readonly kind: "retry"; readonly afterMs: number }
  /** It may have happened. `replayed`: the provider repeats a saved error, so the key cannot heal it. */
  | { readonly kind: "unknown"; readonly replayed: boolean; readonly detail: string };

export interface ProviderDeposit {
  readonly depositId: string;
  readonly amount: bigint;
  readonly currency: string;
}

export interface ProviderPayment {
  readonly kind: "payment";
  readonly objectId: string;
  readonly operationId: string;
  readonly status: "requires_payment" | "processing" | "succeeded" | "cancelled";
  /** Confirmed ones only, each with an id of its own. */
  readonly deposits: readonly ProviderDeposit[];
  /** The provider's fee; known later than the funding. */
  readonly fee: bigint | undefined;
  readonly lastError: string | undefined;
  readonly instructions: Instructions;
}

export interface ProviderTransfer {
  readonly kind: "transfer";
  readonly objectId: string;
  readonly operationId: string;
  readonly status: "pending" | "succeeded" | "failed";
}

export interface ProviderRefund {
  readonly kind: "refund";
  readonly objectId: string;
  readonly operationId: string;
  /** A succeeded one may still fail. */
  readonly status: "pending" | "succeeded" | "failed";
  readonly code: string;
}

export type ProviderObject = ProviderPayment | ProviderTransfer | ProviderRefund;

/** Where a seller's money goes. */
export interface ProviderAccount {
  readonly kind: "account";
  readonly objectId: string;
  readonly partyId: string;
  readonly status: "READY" | "PENDING" | "RESTRICTED" | "REJECTED";
  readonly requirementsDue: readonly string[];
  readonly onboardingUrl: string | undefined;
}

/** A webhook whose signature holds: a signal to read `objectId` again, nothing more. */
export interface VerifiedWebhook {
  readonly eventId: string;
  readonly type: string;
  readonly objectId: string;
  readonly createdAt: Date;
  readonly livemode: boolean;
  /** The connected account it belongs to, "" for the platform's own. */
  readonly account: string;
}

export interface ProviderDescription {
  readonly name: string;
  /** Real money. */
  readonly live: boolean;
  /** Its calls settle within this time. */
  readonly timeoutMs: number;
  /** A seller may be paid although he registered no payout method here. */
  readonly readyByDefault: (partyId: string) => boolean;
}

/**
 * How long a claim on a call is good: longer than any adapter's own time-out, so that a claim which
 * outlives it belongs to a dead process.
 */
export function leaseMsOf(providers: Providers): number {
  const timeouts = [...providers.values()].map((provider) => provider.describe().timeoutMs);
  return Math.max(0, ...timeouts) + 5_000;
}

export interface PaymentProvider {
  readonly describe: () => ProviderDescription;

  createPayment(call: ProviderCall): Promise<Outcome<ProviderPayment>>;
  /** Refused with NOT_POSSIBLE when it has been paid: reading it again says what happened. */
  cancelPayment(call: ProviderCall): Promise<Outcome<ProviderPayment>>;
  createTransfer(call: ProviderCall): Promise<Outcome<ProviderTransfer>>;
  createRefund(call: ProviderCall): Promise<Outcome<ProviderRefund>>;

  getPayment(objectId: string): Promise<Outcome<ProviderPayment>>;
  getTransfer(objectId: string): Promise<Outcome<ProviderTransfer>>;
  getRefund(objectId: string): Promise<Outcome<ProviderRefund>>;

  /** By list and our operation id, never by an eventually consistent search; undefined: not there. */
  findPayment(request: ProviderRequest): Promise<Outcome<ProviderPayment | undefined>>;
  findTransfer(request: ProviderRequest): Promise<Outcome<ProviderTransfer | undefined>>;
  findRefund(request: ProviderRequest): Promise<Outcome<ProviderRefund | undefined>>;

  createAccount(partyId: string): Promise<Outcome<ProviderAccount>>;
  getAccount(objectId: string): Promise<Outcome<ProviderAccount>>;

  /** Undefined unless one of the current secrets signed exactly these bytes, within the tolerance. */
  verifyWebhook(bytes: Uint8Array, headers: Headers): Promise<VerifiedWebhook | undefined>;
}

/** The registered providers by name. */
export type Providers = ReadonlyMap<string, PaymentProvider>;
