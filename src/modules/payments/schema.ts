/**
 * Rows of the payments schema and how they become values. Rows travel to the database as JSON, one
 * multi-row statement a table, so a batch costs a fixed number of statements.
 */
import { traceIdOf } from "#platform/telemetry/tracing";
import type { Funds } from "./domain/funds.ts";
import {
  type Instructions,
  keyOf,
  type Operation,
  type OperationKind,
  type OperationState,
  type Payment,
  type PaymentStatus,
} from "./domain/payment.ts";
import type { ForeignObject, ProviderObject, ProviderRequest } from "./provider.ts";

/** Columns of a row to write, bigints and bytes as PostgreSQL's text. */
export type WriteRow = Readonly<Record<string, unknown>>;

export interface PaymentRow {
  readonly escrow_no: bigint;
  readonly escrow_id: string;
  readonly payment_id: string;
  readonly version: bigint;
  readonly buyer_id: string;
  readonly seller_id: string;
  readonly service_id: string;
  readonly provider: string;
  readonly currency: string;
  readonly amount: bigint;
  readonly buyer_fee: bigint;
  readonly seller_fee: bigint;
  readonly chargeback_liability: string;
  readonly descriptor_suffix: string;
  readonly status: PaymentStatus;
  readonly provider_ref: string | null;
  readonly instructions: Instructions;
  readonly last_error: string | null;
  readonly provider_fee: bigint | null;
  readonly cancelled: boolean;
  readonly frozen: boolean;
  readonly sanctioned: boolean;
  readonly in_review: boolean;
  readonly seller_waiting: boolean;
  readonly provider_waiting: boolean;
  readonly funded: bigint;
  readonly pending: bigint;
  readonly held: bigint;
  readonly reserved: bigint;
  readonly released: bigint;
  readonly refunded: bigint;
  readonly fees: bigint;
  readonly charged_back: bigint;
  readonly blocked: bigint;
  readonly expires_at: Date | null;
  readonly created_at: Date;
}

export function paymentOf(row: PaymentRow): Payment {
  return {
    escrowId: row.escrow_id,
    paymentId: row.payment_id,
    version: row.version,
    buyerId: row.buyer_id,
    sellerId: row.seller_id,
    serviceId: row.service_id,
    provider: row.provider,
    currency: row.currency,
    amount: row.amount,
    buyerFee: row.buyer_fee,
    sellerFee: row.seller_fee,
    chargebackLiability: row.chargeback_liability,
    descriptorSuffix: row.descriptor_suffix,
    status: row.status,
    providerRef: row.provider_ref ?? undefined,
    instructions: row.instructions,
    lastError: row.last_error ?? undefined,
    providerFee: row.provider_fee ?? undefined,
    cancelled: row.cancelled,
    frozen: row.frozen,
    sanctioned: row.sanctioned,
    inReview: row.in_review,
    sellerWaiting: row.seller_waiting,
    providerWaiting: row.provider_waiting,
    funds: fundsOf(row),
    expiresAt: row.expires_at ?? undefined,
  };
}

function fundsOf(row: PaymentRow): Funds {
  const { funded, pending, held, reserved, released, refunded, fees, blocked } = row;
  const chargedBack = row.charged_back;
  return { funded, pending, held, reserved, released, refunded, fees, chargedBack, blocked };
}

export function paymentRow(
  escrowNo: bigint,
  payment: Payment,
  createdAt: Date,
  now: Date,
): WriteRow {
  const { funds } = payment;
  return {
    escrow_no: text(escrowNo),
    escrow_id: payment.escrowId,
    payment_id: payment.paymentId,
    version: text(payment.version),
    buyer_id: payment.buyerId,
    seller_id: payment.sellerId,
    service_id: payment.serviceId,
    provider: payment.provider,
    currency: payment.currency,
    amount: text(payment.amount),
    buyer_fee: text(payment.buyerFee),
    seller_fee: text(payment.sellerFee),
    chargeback_liability: payment.chargebackLiability,
    descriptor_suffix: payment.descriptorSuffix,
    status: payment.status,
    provider_ref: payment.providerRef ?? null,
    instructions: payment.instructions,
    last_error: payment.lastError ?? null,
    provider_fee: payment.providerFee === undefined ? null : text(payment.providerFee),
    cancelled: payment.cancelled,
    frozen: payment.frozen,
    sanctioned: payment.sanctioned,
    in_review: payment.inReview,
    seller_waiting: payment.sellerWaiting,
    provider_waiting: payment.providerWaiting,
    funded: text(funds.funded),
    pending: text(funds.pending),
    held: text(funds.held),
    reserved: text(funds.reserved),
    released: text(funds.released),
    refunded: text(funds.refunded),
    fees: text(funds.fees),
    charged_back: text(funds.chargedBack),
    blocked: text(funds.blocked),
    expires_at: payment.expiresAt ?? null,
    created_at: createdAt,
    updated_at: now,
  };
}

export interface OperationRow {
  readonly escrow_no: bigint;
  readonly operation_id: string;
  readonly escrow_id: string;
  readonly kind: OperationKind;
  readonly provider: string;
  readonly attempt: number;
  readonly params: Uint8Array;
  readonly body_hash: string;
  readonly state: OperationState;
  readonly due_at: Date | null;
  readonly lease_until: Date | null;
  readonly tries: number;
  readonly lookups: number;
  /** Null: written by a version that does not say. */
  readonly absent_before: boolean | null;
  readonly first_sent_at: Date | null;
  readonly object_id: string | null;
  readonly code: string;
  readonly target: string;
  readonly deposit_id: string;
  readonly asset: string;
  readonly gross: bigint;
  readonly fee: bigint;
  readonly netted: bigint;
  readonly net: bigint;
  readonly correlation_id: string;
  readonly causation_id: string;
  readonly traceparent: string;
  readonly created_at: Date;
}

/** What a log line says of it. */
export function aboutOperation(row: OperationRow) {
  return {
    operationId: row.operation_id,
    escrowId: row.escrow_id,
    correlationId: row.correlation_id,
    traceId: traceIdOf(row.traceparent),
  };
}

export function operationOf(row: OperationRow): Operation {
  return {
    operationId: row.operation_id,
    kind: row.kind,
    state: row.state,
    attempt: row.attempt,
    tries: row.tries,
    lookups: row.lookups,
    absentBefore: row.absent_before ?? true,
    dueAt: row.due_at ?? undefined,
    firstSentAt: row.first_sent_at ?? undefined,
    objectId: row.object_id ?? undefined,
    code: row.code,
    target: row.target,
    depositId: row.deposit_id,
    asset: row.asset,
    gross: row.gross,
    fee: row.fee,
    netted: row.netted,
    net: row.net,
  };
}

/** What the provider is asked, from the bytes that were committed before the first call. */
export function requestIn({ params }: Pick<OperationRow, "params">): ProviderRequest {
  return JSON.parse(Buffer.from(params).toString("utf8")) as ProviderRequest;
}

/** What changes in an operation after it was opened. */
export function operationChange(operation: Operation, now: Date): WriteRow {
  return {
    operation_id: operation.operationId,
    attempt: operation.attempt,
    key: keyOf(operation),
    state: operation.state,
    due_at: operation.dueAt ?? null,
    tries: operation.tries,
    lookups: operation.lookups,
    absent_before: operation.absentBefore,
    first_sent_at: operation.firstSentAt ?? null,
    object_id: operation.objectId ?? null,
    code: operation.code,
    updated_at: now,
  };
}

export interface ProviderObjectRow {
  readonly provider: string;
  readonly object_id: string;
  readonly kind:
    | "unmatched"
    | "account"
    | ProviderObject["kind"]
    | Exclude<ForeignObject["kind"], "deposit_undone">;
  readonly escrow_id: string | null;
  readonly operation_id: string | null;
  readonly attempt: number | null;
  readonly party_id: string | null;
  /** Whose account a webhook named; "": the platform's. */
  readonly account: string;
  readonly signals: bigint;
  /** Of the webhook that signalled last, "" when none did. */
  readonly traceparent: string;
  readonly sync_due_at: Date | null;
  readonly sync_tries: number;
  /** How often in a row what was read could not be recorded, and why; "" when it could. */
  readonly failures: number;
  readonly problem: string;
  /** The payment that is read before it, "" when that was read; null: none. */
  readonly waits_for: string | null;
}

export function text(amount: bigint): string {
  return amount.toString();
}
