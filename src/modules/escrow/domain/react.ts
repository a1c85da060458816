/** What payments is asked to do because of an event. Pure: the handler puts it into envelopes. */
import { create } from "@bufbuild/protobuf";
import type { EscrowUnblocked } from "#gen/escrow/v1/events_pb";
import {
  type Escrow,
  Escrow_Stage,
  type Money,
  MoneySchema,
  type Operation,
  Timer_Kind,
} from "#gen/escrow/v1/types_pb";
import {
  AmendPaymentSchema,
  CancelPaymentSchema,
  CreatePaymentIntentSchema,
  DecideReview_Decision,
  DecideReviewSchema,
  InitiateRefundSchema,
  TransferToSellerSchema,
} from "#gen/payments/v1/commands_pb";
import { required } from "#kernel/assert";
import { termsOf } from "./escrow.ts";
import { isLifted } from "./evolve.ts";
import type { EventBody, PaymentsCommandBody } from "./messages.ts";

/** `before` is undefined for the event that creates the escrow. */
export function react(
  before: Escrow | undefined,
  event: EventBody,
  after: Escrow,
): readonly PaymentsCommandBody[] {
  switch (event.case) {
    case "awaitFunds":
      return [createPaymentIntent(after)];
    case "termsAmended":
      return before === undefined ? [] : amendPayment(before, after);
    case "releaseRequested":
    case "releaseResumed":
      return [transferToSeller(after, required(event.value.operation, "the operation"))];
    case "refundRequested":
      return [initiateRefund(after, required(event.value.operation, "the operation"))];
    case "cancelled":
      return before?.stage === Escrow_Stage.AWAIT_FUNDS ? [cancelPayment(event.value.cause)] : [];
    case "unblocked":
      return event.value.approvedBy.length > 0 && before ? clearBlocks(before, event.value) : [];
    default:
      return [];
  }
}

function createPaymentIntent(escrow: Escrow): PaymentsCommandBody {
  const terms = termsOf(escrow);
  const funding = escrow.timers.find(({ kind }) => kind === Timer_Kind.FUNDING);
  const value = create(CreatePaymentIntentSchema, {
    buyerId: terms.buyerId,
    sellerId: terms.sellerId,
    amount: required(terms.amount, "the terms' amount"),
    buyerFee: terms.buyerFee,
    sellerFee: terms.sellerFee,
    provider: terms.provider,
    statementDescriptorSuffix: escrow.statementDescriptorSuffix,
    chargebackLiability: terms.chargebackLiability,
    chargebackSellerPercent: terms.chargebackSellerPercent ?? "",
    serviceId: escrow.serviceId,
    ...(funding?.dueAt && { expiresAt: funding.dueAt }),
  });
  return { case: "createPaymentIntent", value };
}

/** Who bears a chargeback is the one thing of the terms that payments keeps and that may change. */
function amendPayment(before: Escrow, after: Escrow): PaymentsCommandBody[] {
  const hasPayment =
    after.stage === Escrow_Stage.AWAIT_FUNDS || after.stage === Escrow_Stage.ACTIVE;
  const [old, terms] = [termsOf(before), termsOf(after)];
  const { chargebackLiability, chargebackSellerPercent = "" } = terms;
  const same =
    old.chargebackLiability === chargebackLiability &&
    (old.chargebackSellerPercent ?? "") === chargebackSellerPercent;
  if (same || !hasPayment) return [];
  const value = create(AmendPaymentSchema, { chargebackLiability, chargebackSellerPercent });
  return [{ case: "amendPayment", value }];
}

function transferToSeller(escrow: Escrow, { operationId, amount, fee }: Operation) {
  const { sellerId } = termsOf(escrow);
  const money = moneyOf(escrow, amount);
  const value = create(TransferToSellerSchema, { operationId, sellerId, amount: money, fee });
  return { case: "transferToSeller", value } as const;
}

function initiateRefund(escrow: Escrow, operation: Operation): PaymentsCommandBody {
  const { operationId, amount, fee: feeReturned, reason } = operation;
  const value = create(InitiateRefundSchema, {
    operationId,
    buyerId: termsOf(escrow).buyerId,
    amount: moneyOf(escrow, amount),
    feeReturned,
    reason,
  });
  return { case: "initiateRefund", value };
}

function cancelPayment(reason: string): PaymentsCommandBody {
  return { case: "cancelPayment", value: create(CancelPaymentSchema, { reason }) };
}

/** Two operators lifted the block: payments moves the money back and says funds_unblocked. */
function clearBlocks(before: Escrow, lifted: EscrowUnblocked): PaymentsCommandBody[] {
  return before.locks
    .filter((lock) => isLifted(lock, lifted))
    .map(({ reference: reviewId }) => ({
      case: "decideReview",
      value: create(DecideReviewSchema, { reviewId, decision: DecideReview_Decision.CLEAR }),
    }));
}

function moneyOf(escrow: Escrow, amount: bigint): Money {
  const { currency } = required(termsOf(escrow).amount, "the terms' amount");
  return create(MoneySchema, { amount, currency });
}
