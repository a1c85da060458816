/**
 * What a decision consists of, in order: events said, ledger transactions, operations opened or
 * moved. A decision writes nothing; the store writes all of it in one transaction.
 */
import { create } from "@bufbuild/protobuf";
import type { CommandRejected_Code } from "#gen/escrow/v1/events_pb";
import type { Event } from "#gen/payments/v1/events_pb";
import { LedgerPostedSchema, type Posting as PostingMessage } from "#gen/payments/v1/events_pb";
import { accountName } from "../ledger/accounts.ts";
import type { LedgerTransaction } from "../ledger/post.ts";
import type { BookedMovement, Dispute } from "./dispute.ts";
import type { Change } from "./funds.ts";
import type { Deposit, Gone, Operation, Payment } from "./payment.ts";
import type { Screening } from "./screening.ts";

export type EventBody = Exclude<Event["body"], { case: undefined }>;

export type Effect =
  /** An event; `change` is what the escrow module does not know yet. */
  | { readonly case: "said"; readonly body: EventBody; readonly change: Change | undefined }
  /** A ledger transaction; said as LedgerPosted. `reference`: what it explains. */
  | {
      readonly case: "posted";
      readonly transaction: LedgerTransaction;
      readonly reference: string;
      readonly operationId: string;
      readonly change: Change | undefined;
    }
  | { readonly case: "opened"; readonly operation: Operation }
  | { readonly case: "moved"; readonly operation: Operation }
  | { readonly case: "deposited"; readonly deposit: Deposit; readonly disposition: string }
  /** A booked deposit that is not there any more. */
  | { readonly case: "undone"; readonly depositId: string; readonly gone: Gone }
  /** The seller owes that much less; more, when it is negative. */
  | { readonly case: "netted"; readonly partyId: string; readonly amount: bigint }
  /** A dispute as it is from now on, and the movement that was booked for it. */
  | {
      readonly case: "disputed";
      readonly dispute: Dispute;
      readonly movement: BookedMovement | undefined;
    }
  /** A screening as it is from now on. */
  | { readonly case: "screened"; readonly screening: Screening }
  | { readonly case: "set"; readonly fields: Settable };

export type Settable = Partial<
  Pick<
    Payment,
    | "status"
    | "providerRef"
    | "instructions"
    | "lastError"
    | "providerFee"
    | "cancelled"
    | "frozen"
    | "inReview"
    | "sanctioned"
    | "sellerWaiting"
    | "chargebackLiability"
    | "providerWaiting"
  >
>;

/** The one closed list: what stands on no list is shown to nobody by its name. */
export type RejectionCode = Exclude<keyof typeof CommandRejected_Code, "UNSPECIFIED">;

export interface Rejection {
  readonly code: RejectionCode;
  readonly detail: string;
}

export type Decision =
  | { readonly effects: readonly Effect[]; readonly rejected?: undefined }
  | { readonly rejected: Rejection; readonly effects?: undefined };

export const nothing: Decision = { effects: [] };

export function accept(...effects: readonly Effect[]): Decision {
  return { effects };
}

export function reject(code: RejectionCode, detail: string): Decision {
  return { rejected: { code, detail } };
}

export function say(body: EventBody, change?: Change): Effect {
  return { case: "said", body, change };
}

/** What a posting explains. */
export type Reference =
  | { readonly operationId: string }
  | { readonly depositId: string }
  | { readonly disputeId: string };

function nameOf(reference: Reference): string {
  if ("operationId" in reference) return reference.operationId;
  return "depositId" in reference ? reference.depositId : reference.disputeId;
}

/** With a `change`, the escrow module learns it from the LedgerPosted event itself. */
export function postFor(
  reference: Reference,
  transaction: LedgerTransaction,
  change?: Change,
): Effect {
  return {
    case: "posted",
    transaction,
    reference: nameOf(reference),
    operationId: "operationId" in reference ? reference.operationId : "",
    change,
  };
}

/** The LedgerPosted event that says a transaction, for the timeline. */
export function ledgerPosted(
  payment: Pick<Payment, "escrowId" | "currency" | "version">,
  { transaction, operationId }: Extract<Effect, { case: "posted" }>,
): EventBody {
  const { escrowId, version } = payment;
  const currency = transaction.currency ?? payment.currency;
  const postings = transaction.postings.map(
    ({ debit, credit, amount }): PostingMessage => ({
      $typeName: "payments.v1.Posting",
      debit: accountName(debit, escrowId),
      credit: accountName(credit, escrowId),
      amount: { $typeName: "escrow.v1.Money", amount, currency },
    }),
  );
  const value = create(LedgerPostedSchema, {
    transactionId: transactionId(escrowId, version + 1n),
    reason: transaction.reason,
    operationId,
    postings,
  });
  return { case: "ledgerPosted", value };
}

export function transactionId(escrowId: string, number: bigint): string {
  return `${escrowId}.${number}`;
}
