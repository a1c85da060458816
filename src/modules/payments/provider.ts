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
  /**
   * The provider's id of the payment the call draws on or ends; "" when it creates one, and for a
   * transfer out of the platform's own balance.
   */
  readonly paymentRef: string;
  readonly buyerId: string;
  readonly sellerId: string;
  readonly amount: string;
  readonly currency: string;
  readonly descriptorSuffix: string;
  /**
   * The other end, by the provider's id: the account or address a transfer or refund goes to, the
   * transfer a reversal takes back. "": the provider knows by itself.
   */
  readonly target: string;
  /** The deposit that is given back whole, where it is of another asset than the payment. */
  readonly depositId?: string;
}

export interface ProviderCall {
  /** Operation id and attempt. */
  readonly key: string;
  /** What is sent: the same bytes under the same key, always. */
  readonly bytes: Uint8Array;
  readonly request: ProviderRequest;
}

/** What a call may have made, looked for by what was sent. */
export type Lookup = Pick<ProviderCall, "key" | "request">;

export interface PaymentLookup extends Lookup {
  /** Before the first call: some lists go by time alone. */
  readonly since: Date;
}

/** Codes of a definite no. */
export type RefusalCode =
  | "SELLER_NOT_READY"
  /** The buyer has no place of his own that a refund could go to. */
  | "REFUND_ADDRESS_REQUIRED"
  /** Of a reversal: the account has less than that available. */
  | "BALANCE_TOO_SMALL"
  | "PROVIDER_REFUSED"
  | "NOT_POSSIBLE"
  | "NOT_FOUND";

export type Outcome<T> =
  | { readonly kind: "succeeded"; readonly value: T }
  /** It did not happen and will not. */
  | { readonly kind: "refused"; readonly code: RefusalCode; readonly detail: string }
  /** Provably nothing happened: the same key again, later. */
  | {
      readonly kind: "retry";
      readonly afterMs: number;
      /** The way to the provider is at fault, not this call: the breaker counts it. */
      readonly outOfOrder?: boolean;
    }
  /** It may have happened. `replayed`: the provider repeats a saved error, so the key cannot heal it. */
  | { readonly kind: "unknown"; readonly replayed: boolean; readonly detail: string };

export interface ProviderDeposit {
  readonly depositId: string;
  readonly amount: bigint;
  readonly currency: string;
  /** The wallet it came from, where there is one: it is screened. */
  readonly source?: string;
}

/** What an object says of itself that we had asked for; absent where the provider does not say. */
export interface Said {
  /** Minor units. */
  readonly amount?: bigint;
  readonly currency?: string;
  /** As in the request. */
  readonly target?: string;
  /** The escrow. */
  readonly group?: string;
  /** The payment it draws on, by the provider's id. */
  readonly paymentRef?: string;
}

/** What every object of ours says of the call that made it. */
interface Made {
  readonly said?: Said;
  readonly operationId: string;
  /** The key of the attempt; absent or "" where the object is from before it was kept. */
  readonly attemptKey?: string;
}

export interface ProviderPayment extends Made {
  readonly kind: "payment";
  readonly objectId: string;
  readonly status: "requires_payment" | "processing" | "succeeded" | "cancelled";
  /** Confirmed ones only, each with an id of its own. */
  readonly deposits: readonly ProviderDeposit[];
  /** The provider's fee; known later than the funding. */
  readonly fee: bigint | undefined;
  readonly lastError: string | undefined;
  readonly instructions: Instructions;
}

export interface ProviderTransfer extends Made {
  readonly kind: "transfer";
  readonly objectId: string;
  readonly status: "pending" | "succeeded" | "failed";
  /** What the provider or its network took for it, minor units of the transfer's currency. */
  readonly fee: bigint | undefined;
}

export interface ProviderRefund extends Made {
  readonly kind: "refund";
  readonly objectId: string;
  /** A succeeded one may still fail. */
  readonly status: "pending" | "succeeded" | "failed";
  readonly code: string;
  /** As a transfer's. */
  readonly fee?: bigint | undefined;
}

/** What was taken back of a transfer. */
export interface ProviderReversal extends Made {
  readonly kind: "reversal";
  readonly objectId: string;
  readonly status: "succeeded" | "failed";
  readonly amount: bigint;
}

/** One movement of money by a dispute; each is booked once, by its id. */
export interface DisputeMovement {
  readonly movementId: string;
  /** Minor units. "taken" left our balance, "reinstated" came back. */
  readonly direction: "taken" | "reinstated";
  readonly amount: bigint;
  /** What the provider charged for it; negative when it gave a fee back. */
  readonly fee: bigint;
}

/**
 * The buyer's bank asks money back. The status says how it stands, the movements what moved: neither
 * follows from the other. There may be several to one payment, of any amount.
 */
export interface ProviderDispute {
  readonly kind: "dispute";
  readonly objectId: string;
  /** The provider's id of the payment it is about. */
  readonly paymentRef: string;
  /** An inquiry moves no money; it may become "open". "prevented": the provider refunded the buyer. */
  readonly status: "inquiry" | "inquiry_closed" | "open" | "won" | "lost" | "prevented";
  readonly amount: bigint;
  readonly currency: string;
  readonly reason: string;
  readonly movements: readonly DisputeMovement[];
  readonly evidenceDueBy: Date | undefined;
  /** The deposit that is gone with it, where it takes away a whole one. */
  readonly depositId?: string;
}

/** The provider fears fraud: nothing has moved. */
export interface ProviderWarning {
  readonly kind: "warning";
  readonly objectId: string;
  readonly paymentRef: string;
  readonly open: boolean;
}

/** A refund or a reversal nobody here asked for: by the provider's dashboard, or by a rule of its. */
export interface ForeignMovement {
  readonly kind: "foreign";
  readonly objectId: string;
  /** Of a reversal of what we transferred out of our own balance: that transfer. */
  readonly paymentRef: string;
  readonly movement: "refund" | "reversal";
  /** Money moved when it succeeded; a succeeded refund may still fail, which gives it back. */
  readonly status: "pending" | "succeeded" | "failed";
  readonly amount: bigint;
  readonly currency: string;
}

/** A deposit of another asset than the payment's that is gone again, though it had been confirmed. */
export interface UndoneDeposit {
  readonly kind: "deposit_undone";
  readonly objectId: string;
  readonly paymentRef: string;
  readonly depositId: string;
  readonly amount: bigint;
  readonly currency: string;
}

/** From a seller's account to his bank: ours to show, never to undo. */
export interface ProviderPayout {
  readonly kind: "payout";
  readonly objectId: string;
  /** The provider's id of the seller's account. */
  readonly account: string;
  readonly status: "pending" | "paid" | "failed";
  readonly amount: bigint;
  readonly currency: string;
  readonly code: string;
}

/** What calls of ours make. */
export type ProviderObject = ProviderPayment | ProviderTransfer | ProviderRefund | ProviderReversal;

/** What comes to be at the provider without a call of ours; found by its webhook. */
export type ForeignObject =
  | ProviderDispute
  | ProviderWarning
  | ForeignMovement
  | UndoneDeposit
  | ProviderPayout;

/** One line of the provider's own books, as reconciliation meets it. */
export interface ProviderMovement {
  readonly movementId: string;
  /** What it moved for: a payment, transfer, refund, reversal or dispute; "": nothing we know by id. */
  readonly objectId: string;
  /** In the words of our posting table, or the provider's own where it has no place there. */
  readonly category: string;
  /** Signed, minor units: what came into our balance before the fee. */
  readonly amount: bigint;
  readonly fee: bigint;
  readonly currency: string;
  readonly at: Date;
  /** It was converted on the way. */
  readonly exchanged: boolean;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Undefined: the last page. */
  readonly next: string | undefined;
}

export interface PageRequest {
  /** Inclusive. */
  readonly from: Date;
  /** Exclusive. */
  readonly until: Date;
  readonly cursor: string | undefined;
}

/** Where a seller's money goes. */
export interface ProviderAccount {
  readonly kind: "account";
  readonly objectId: string;
  readonly partyId: string;
  readonly status: "READY" | "PENDING" | "RESTRICTED" | "REJECTED";
  readonly requirementsDue: readonly string[];
  readonly onboardingUrl: string | undefined;
  /** Until when the link is good. */
  readonly onboardingExpiresAt?: Date | undefined;
}

/** How a party wants to be paid; which members count is the provider's to say. */
export interface AccountRequest {
  readonly partyId: string;
  /** The service that asks for its own escrows' sake: it gets another account; "" the party. */
  readonly serviceId: string;
  /** Where the provider's own pages lead back to. */
  readonly returnUrl: string;
  readonly refreshUrl: string;
  /** One that exists already; "" to make one. */
  readonly account: string;
  readonly address: string;
  readonly chainId: string;
  /** The party's proof that the address is its own. */
  readonly signature: string;
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

/** Why a webhook is refused. All but `signature` is said only of what one of the secrets signed. */
export type WebhookFault =
  | "signature"
  | "too_old"
  | "in_future"
  | "not_json"
  | "not_an_event"
  | "version"
  | "endpoint"
  | "account";

export interface RefusedWebhook {
  readonly refused: WebhookFault;
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
  /** Takes `amount` back from the transfer `target`. */
  createReversal(call: ProviderCall): Promise<Outcome<ProviderReversal>>;

  getPayment(objectId: string): Promise<Outcome<ProviderPayment>>;
  getTransfer(objectId: string): Promise<Outcome<ProviderTransfer>>;
  getRefund(objectId: string): Promise<Outcome<ProviderRefund>>;
  getReversal(objectId: string): Promise<Outcome<ProviderReversal>>;

  /**
   * By list and our operation id, never by an eventually consistent search; undefined: not there.
   * Of several the one made under `key`; else what an earlier attempt made, which says so itself.
   */
  findPayment(lookup: PaymentLookup): Promise<Outcome<ProviderPayment | undefined>>;
  findTransfer(lookup: Lookup): Promise<Outcome<ProviderTransfer | undefined>>;
  findRefund(lookup: Lookup): Promise<Outcome<ProviderRefund | undefined>>;
  findReversal(lookup: Lookup): Promise<Outcome<ProviderReversal | undefined>>;

  /**
   * Reads what no call of ours made, by the id a webhook named; `account` as the webhook had it.
   * Undefined: nothing of ours, or one that a call of ours made and whose answer is under way.
   */
  getForeign(objectId: string, account: string): Promise<Outcome<ForeignObject | undefined>>;

  /** What a sweep finds: the provider's events of a time, delivered or not. */
  listEvents(request: PageRequest): Promise<Outcome<Page<VerifiedWebhook>>>;
  listMovements(request: PageRequest): Promise<Outcome<Page<ProviderMovement>>>;

  createAccount(request: AccountRequest): Promise<Outcome<ProviderAccount>>;
  getAccount(objectId: string): Promise<Outcome<ProviderAccount>>;

  /** Refused unless one of the current secrets signed exactly these bytes, within the tolerance. */
  verifyWebhook(bytes: Uint8Array, headers: Headers): Promise<VerifiedWebhook | RefusedWebhook>;
}

/** The registered providers by name. */
export type Providers = ReadonlyMap<string, PaymentProvider>;
