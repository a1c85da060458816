/**
 * The state payments keeps of one escrow's money: the root row, and the operations that carry a
 * decision to a provider. Plain values; nothing here knows a database or a clock.
 */
import { type Funds, noFunds } from "./funds.ts";

export type PaymentStatus =
  | "REQUIRES_PAYMENT"
  | "PROCESSING"
  | "UNDERFUNDED"
  | "OVERFUNDED"
  | "LATE"
  | "WRONG_ASSET"
  | "SUCCEEDED"
  | "FAILED"
  | "CANCELLED"
  | "REFUNDED";

/** What the buyer needs in order to pay, as the provider gave it. */
export interface Instructions {
  readonly clientSecret?: string;
  readonly publishableKey?: string;
  readonly checkoutUrl?: string;
  readonly deposit?: {
    readonly address: string;
    readonly chainId: string;
    readonly asset: string;
    readonly confirmations: string;
    readonly required: string;
  };
}

export interface Payment {
  readonly escrowId: string;
  readonly paymentId: string;
  /** The number of the last event said; contiguous from 1. */
  readonly version: bigint;
  readonly buyerId: string;
  readonly sellerId: string;
  readonly serviceId: string;
  readonly provider: string;
  readonly currency: string;
  /** Minor units. The buyer pays amount + buyerFee. */
  readonly amount: bigint;
  readonly buyerFee: bigint;
  readonly sellerFee: bigint;
  /** Who bears what is taken after the payout: SELLER, PLATFORM, RATIO:<the seller's percent>. */
  readonly chargebackLiability: string;
  readonly descriptorSuffix: string;
  readonly status: PaymentStatus;
  readonly providerRef: string | undefined;
  readonly instructions: Instructions;
  readonly lastError: string | undefined;
  /** The provider's own fee, once known. */
  readonly providerFee: bigint | undefined;
  readonly cancelled: boolean;
  /** A bank dispute is open: nothing leaves. */
  readonly frozen: boolean;
  /** A sanctions hit is open: nothing leaves. */
  readonly sanctioned: boolean;
  /** Screening is not done: funding does not complete. */
  readonly inReview: boolean;
  /** A release was refused because the seller could not receive; he is told of when he can. */
  readonly sellerWaiting: boolean;
  /** A release was refused because its provider was stopped; the escrow is told when it goes on. */
  readonly providerWaiting: boolean;
  readonly funds: Funds;
  readonly expiresAt: Date | undefined;
}

export type OperationKind =
  | "CREATE_PAYMENT"
  | "CANCEL_PAYMENT"
  | "TRANSFER"
  | "REFUND"
  | "REVERSAL"
  | "RETRANSFER";

/**
 * READY: may be called. SENT: a call is under way, or its caller died. UNKNOWN: it may have
 * happened; same key, same bytes again. LOOKUP: must be looked up by list before anything else.
 * PENDING: the provider took it, confirmation follows. FAILED: a refund that is still owed.
 * REJECTED, WITHDRAWN: never happened, undone. PERSON: only a person can tell.
 */
export type OperationState =
  | "READY"
  | "SENT"
  | "UNKNOWN"
  | "LOOKUP"
  | "PENDING"
  | "SUCCEEDED"
  | "FAILED"
  | "REJECTED"
  | "WITHDRAWN"
  | "PERSON";

/** An intention towards a provider. One effect for ever, whatever number of attempts it takes. */
export interface Operation {
  readonly operationId: string;
  readonly kind: OperationKind;
  readonly state: OperationState;
  /** A new one only after proof that the last did not happen. */
  readonly attempt: number;
  /** How often the current attempt was called. */
  readonly tries: number;
  /** How often in a row the list did not show it. */
  readonly lookups: number;
  /** An earlier attempt was only not found: it may come to light, and what is asked for stays. */
  readonly absentBefore: boolean;
  readonly dueAt: Date | undefined;
  readonly firstSentAt: Date | undefined;
  readonly objectId: string | undefined;
  readonly code: string;
  /** The provider's id of the account the money goes to, or of the transfer it is taken back from. */
  readonly target: string;
  /**
   * Minor units; net is what the provider is asked for. TRANSFER: gross = fee + netted + net.
   * REFUND: gross is out of held (or pending), fee is the buyer's fee on top, net = gross + fee.
   * REVERSAL: gross = net is asked back from the transfer `target`. RETRANSFER: gross = netted + net is
   * payable to the seller, out of the platform's own balance; netted as of when it was sent.
   */
  readonly gross: bigint;
  readonly fee: bigint;
  readonly netted: bigint;
  readonly net: bigint;
  /** The deposit that an operator gives back; "" otherwise. */
  readonly depositId: string;
  /** Of another asset than the payment's, out of suspense; "" otherwise. */
  readonly asset: string;
}

export interface Deposit {
  readonly depositId: string;
  readonly amount: bigint;
  readonly currency: string;
  /** The wallet it came from, where there is one. */
  readonly source?: string;
}

/** A deposit as it was booked. */
export interface BookedDeposit extends Pick<Deposit, "depositId" | "amount" | "currency"> {
  /** One of Gone's when it is not there any more. */
  readonly disposition: string;
}

/** REVERTED: the outcome of its way back is waited for. UNDONE: booked so. */
export type Gone = "REVERTED" | "UNDONE";

export function isGone({ disposition }: Pick<BookedDeposit, "disposition">): boolean {
  return disposition === "REVERTED" || disposition === "UNDONE";
}

/** The key a call is made under; bound to the operation's bytes for ever. */
export function keyOf({
  operationId,
  attempt,
}: Pick<Operation, "operationId" | "attempt">): string {
  return `${operationId}.${attempt}`;
}

export function paidByBuyer({ amount, buyerFee }: Pick<Payment, "amount" | "buyerFee">): bigint {
  return amount + buyerFee;
}

/** Funding was complete: what comes now is too much. */
export function isComplete({ status }: Pick<Payment, "status">): boolean {
  return status === "SUCCEEDED" || status === "OVERFUNDED" || status === "REFUNDED";
}

/** Nothing may leave: the last gate before money asks this under the root's lock. */
export function isLocked({ frozen, sanctioned }: Pick<Payment, "frozen" | "sanctioned">): boolean {
  return frozen || sanctioned;
}

export type Terms = Pick<
  Payment,
  | "escrowId"
  | "paymentId"
  | "buyerId"
  | "sellerId"
  | "serviceId"
  | "provider"
  | "currency"
  | "amount"
  | "buyerFee"
  | "sellerFee"
  | "chargebackLiability"
  | "descriptorSuffix"
  | "expiresAt"
>;

export function newPayment(terms: Terms): Payment {
  return {
    ...terms,
    version: 0n,
    status: "REQUIRES_PAYMENT",
    providerRef: undefined,
    instructions: {},
    lastError: undefined,
    providerFee: undefined,
    cancelled: false,
    frozen: false,
    sanctioned: false,
    inReview: false,
    sellerWaiting: false,
    providerWaiting: false,
    funds: noFunds,
  };
}

export function newOperation(
  operation: Pick<Operation, "operationId" | "kind" | "gross" | "fee" | "netted" | "net"> &
    Partial<Pick<Operation, "target" | "depositId" | "asset">>,
  now: Date,
): Operation {
  return {
    target: "",
    depositId: "",
    asset: "",
    ...operation,
    state: "READY",
    attempt: 1,
    tries: 0,
    lookups: 0,
    absentBefore: false,
    dueAt: now,
    firstSentAt: undefined,
    objectId: undefined,
    code: "",
  };
}
