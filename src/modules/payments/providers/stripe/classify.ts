/**
 * What an error of the SDK says about the call: did it happen, did it not, or can nobody tell. By
 * status code, because the SDK throws one class for a conflict, a server error and a body it could
 * not read. What is not provably a no is unknown.
 */
import Stripe from "stripe";
import type { Outcome, RefusalCode } from "../../provider.ts";

/** Refused before anything was sent. */
export class RefusedHere extends Error {
  override readonly name = "RefusedHere";
  readonly code: RefusalCode;
  constructor(detail: string, code: RefusalCode = "PROVIDER_REFUSED") {
    super(detail);
    this.code = code;
  }
}

/** A read that the call needed failed: of the call itself nothing was sent. */
export class NotSent extends Error {
  override readonly name = "NotSent";
}

type Failure = Exclude<Outcome<never>, { readonly kind: "succeeded" }>;

/** Of a call that moves something. Throws what is neither Stripe's nor ours. */
export function callFailure(error: unknown): Failure {
  if (error instanceof RefusedHere) {
    return { kind: "refused", code: error.code, detail: error.message };
  }
  if (error instanceof NotSent) return { kind: "retry", afterMs: 1_000, outOfOrder: true };
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  // The key was used with other parameters: it can never heal this call.
  if (error.type === "StripeIdempotencyError" && error.statusCode !== 409) {
    return { kind: "unknown", replayed: true, detail: detailOf(error) };
  }
  const { statusCode: status } = error;
  if (status === undefined || status >= 500 || status < 400) {
    return { kind: "unknown", replayed: isReplay(error), detail: detailOf(error) };
  }
  if (status === 409 || status === 429) return { kind: "retry", afterMs: retryAfterMs(error) };
  const code = refusalOf(error);
  // Our key may not: Stripe never looked at the call, nor for what was sent under its key before.
  if ((status === 401 || status === 403) && code !== "SELLER_NOT_READY") {
    return { kind: "retry", afterMs: retryAfterMs(error), outOfOrder: true };
  }
  return { kind: "refused", code, detail: detailOf(error) };
}

/**
 * Of a read. Only "it is not there" is an answer: a key that may not look says nothing about the
 * object, which must be looked at again.
 */
export function readFailure(error: unknown): Failure {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  const { statusCode: status } = error;
  if (status === 409 || status === 429) return { kind: "retry", afterMs: retryAfterMs(error) };
  if (status === 404) return { kind: "refused", code: "NOT_FOUND", detail: detailOf(error) };
  return { kind: "unknown", replayed: false, detail: detailOf(error) };
}

/** The seller's account is not able to receive; the words of an error are never looked at. */
const sellerCodes: ReadonlySet<string> = new Set([
  "insufficient_capabilities_for_transfer",
  "transfers_not_allowed",
  "account_invalid",
  "account_closed",
]);

function refusalOf(error: Stripe.errors.StripeError): RefusalCode {
  const { code = "", param, statusCode } = error;
  if (sellerCodes.has(code)) return "SELLER_NOT_READY";
  if (param === "destination") return "SELLER_NOT_READY";
  if (code === "payment_intent_unexpected_state") return "NOT_POSSIBLE";
  if (code === "balance_insufficient") return "BALANCE_TOO_SMALL";
  return statusCode === 404 || code === "resource_missing" ? "NOT_FOUND" : "PROVIDER_REFUSED";
}

function isReplay({ headers }: Stripe.errors.StripeError): boolean {
  return headers?.["idempotent-replayed"] === "true";
}

/** Seconds, as Stripe says them; a second where it says none. */
function retryAfterMs({ headers }: Stripe.errors.StripeError): number {
  const seconds = headers?.["retry-after"] ?? "";
  return /^\d{1,5}$/.test(seconds) ? Math.max(1, Number(seconds)) * 1_000 : 1_000;
}

/** For logs and people; Stripe's messages may name a person, its codes do not. */
function detailOf({ type, code, statusCode, requestId }: Stripe.errors.StripeError): string {
  return [type, code, statusCode, requestId].filter((part) => part !== undefined).join(" ");
}
