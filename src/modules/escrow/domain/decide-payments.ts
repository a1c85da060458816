/**
 * What payments' facts mean for the escrow. Facts are never refused: they happened. One that
 * concerns no decision of ours still moves the counters, so that both books stay equal.
 */
import { create } from "@bufbuild/protobuf";
import {
  EscrowClosedSchema,
  EscrowFundsHeldSchema,
  EscrowPaymentOpenedSchema,
  EscrowPaymentProcessingSchema,
  EscrowRefundedSchema,
  EscrowRefundFailedSchema,
  EscrowReleaseBlockedSchema,
  EscrowReleasedSchema,
} from "#gen/escrow/v1/events_pb";
import {
  type Escrow,
  Escrow_Stage,
  type FundsChange,
  Lock_Kind,
  type Operation,
  Operation_Kind,
  Operation_Status,
} from "#gen/escrow/v1/types_pb";
import { DepositReceived_Disposition } from "#gen/payments/v1/events_pb";
import { assert } from "#kernel/assert";
import * as locks from "./decide-locks.ts";
import { moneyMoved } from "./decide-locks.ts";
import { type Draft, nothing, startDraft } from "./draft.ts";
import { fundsOf, hasLock, isFrozen, operationOf } from "./escrow.ts";
import { forceDecision } from "./forced.ts";
import { isNothing, sharesInOrder } from "./funds.ts";
import type { Context, Decision, FactBody, FactOf } from "./messages.ts";
import { requestFullReturn, resumeReleases } from "./requests.ts";
import { isSettled, stateOf } from "./status.ts";

type Change = FundsChange | undefined;

export function decideFact(state: Escrow | undefined, fact: FactBody, context: Context): Decision {
  if (!state) return nothing;
  const draft = startDraft(state, context);
  happened(draft, fact, context.change);
  if (!isSentBack(fact)) returnLateMoney(draft);
  if (!isSettled(state) && isSettled(draft.escrow)) {
    const value = create(EscrowClosedSchema, { outcome: stateOf(draft.escrow) });
    draft.say({ case: "closed", value });
  }
  return draft.decision();
}

function happened(draft: Draft, fact: FactBody, change: Change) {
  switch (fact.case) {
    case "paymentIntentCreated":
      paymentOpened(draft, fact.value);
      return moneyMoved(draft, change, "PAYMENT_OPENED");
    case "paymentProcessing":
      processing(draft, true);
      return moneyMoved(draft, change, "PAYMENT_PROCESSING");
    case "paymentPartiallyReceived":
    case "paymentFailed":
    case "paymentCancelled":
      processing(draft, false);
      return moneyMoved(draft, change, "PAYMENT");
    case "depositReceived":
      return moneyMoved(draft, change, depositReason(fact.value));
    case "paymentSucceeded":
      return paymentSucceeded(draft, fact.value, change);
    case "transferSucceeded":
      return transferSucceeded(draft, fact.value, change);
    case "transferRejected":
      return transferRejected(draft, fact.value, change);
    case "refundSucceeded":
      return refundSucceeded(draft, fact.value, change);
    case "refundRejected":
      return refundFailed(draft, { ...fact.value, returnedToHeld: true }, change);
    case "refundFailed":
      return refundFailed(draft, fact.value, change);
    case "sellerReadinessChanged":
      if (fact.value.ready) resumeReleases(draft);
      return moneyMoved(draft, change, "SELLER_READINESS");
    case "holdingLimitReached":
      return forceDecision(draft);
    case "releasesResumed":
      return resumeReleases(draft);
    case "foreignMovementSeen":
      moneyMoved(draft, change, fact.value.kind);
      // Somebody else moved money: deadlines wait until an operator has looked.
      return isNothing(change) ? undefined : locks.riskOpened(draft, `foreign:${fact.value.kind}`);
    case "chargebackOpened":
      return locks.chargebackOpened(draft, fact.value, change);
    case "chargebackClosed":
      return locks.chargebackClosed(draft, fact.value, change);
    case "fundsBlocked":
      return locks.fundsBlocked(draft, fact.value, change);
    case "fundsUnblocked":
      return locks.fundsUnblocked(draft, fact.value, change);
    case "screeningHeld":
      locks.screeningHeld(draft, fact.value);
      return moneyMoved(draft, change, "SCREENING");
    case "screeningCleared":
      moneyMoved(draft, change, "SCREENING");
      return locks.screeningCleared(draft, fact.value);
    case "riskOpened":
      locks.riskOpened(draft, fact.value.reference);
      return moneyMoved(draft, change, "RISK");
    case "riskClosed":
      locks.riskClosed(draft, fact.value.reference);
      return moneyMoved(draft, change, "RISK");
    case "ledgerPosted":
      return moneyMoved(draft, change, fact.value.reason || "LEDGER");
    case "transferReversed":
    case "reversalFailed":
    case "providerCallFinished":
    case "webhookHandled":
    case "paymentCommandRejected":
    case "paymentCommandSucceeded":
      return moneyMoved(draft, change, "LEDGER");
    default:
      return fact satisfies never;
  }
}

function paymentOpened(draft: Draft, { paymentId }: FactOf<"paymentIntentCreated">): void {
  if (draft.escrow.paymentId === paymentId) return;
  const value = create(EscrowPaymentOpenedSchema, { paymentId });
  draft.say({ case: "paymentOpened", value });
}

function processing(draft: Draft, now: boolean): void {
  const { stage, paymentProcessing } = draft.escrow;
  if (stage !== Escrow_Stage.AWAIT_FUNDS || paymentProcessing === now) return;
  const value = create(EscrowPaymentProcessingSchema, { processing: now });
  draft.say({ case: "paymentProcessing", value });
}

function depositReason({ disposition }: FactOf<"depositReceived">): string {
  return `DEPOSIT_${DepositReceived_Disposition[disposition]}`;
}

function paymentSucceeded(draft: Draft, { paymentId }: FactOf<"paymentSucceeded">, change: Change) {
  const { stage } = draft.escrow;
  assert(stage !== Escrow_Stage.PROPOSED, "nothing is paid before both accepted");
  if (stage !== Escrow_Stage.AWAIT_FUNDS) {
    return moneyMoved(draft, change, "PAYMENT_AFTER_CANCEL");
  }
  const value = create(EscrowFundsHeldSchema, { paymentId, ...told(change) });
  return draft.say({ case: "fundsHeld", value });
}

function transferSucceeded(draft: Draft, fact: FactOf<"transferSucceeded">, change: Change) {
  const { operationId } = fact;
  const operation = operationOf(draft.escrow, operationId);
  if (!isInFlight(operation, Operation_Kind.RELEASE)) {
    return moneyMoved(draft, change, "TRANSFER");
  }
  const value = create(EscrowReleasedSchema, { operationId, ...told(change) });
  return draft.say({ case: "released", value });
}

function transferRejected(draft: Draft, fact: FactOf<"transferRejected">, change: Change) {
  const { operationId, code: reason } = fact;
  const operation = operationOf(draft.escrow, operationId);
  if (!isInFlight(operation, Operation_Kind.RELEASE)) {
    return moneyMoved(draft, change, "TRANSFER_REJECTED");
  }
  const value = create(EscrowReleaseBlockedSchema, { operationId, reason, ...told(change) });
  return draft.say({ case: "releaseBlocked", value });
}

function refundSucceeded(draft: Draft, fact: FactOf<"refundSucceeded">, change: Change) {
  const { operationId } = fact;
  const operation = operationOf(draft.escrow, operationId);
  if (!isOwed(operation)) return moneyMoved(draft, change, "REFUND");
  const value = create(EscrowRefundedSchema, { operationId, ...told(change) });
  return draft.say({ case: "refunded", value });
}

function refundFailed(
  draft: Draft,
  fact: { operationId: string; code: string; returnedToHeld: boolean },
  change: Change,
) {
  const { operationId, code: reason, returnedToHeld } = fact;
  const operation = operationOf(draft.escrow, operationId);
  if (!operation) return moneyMoved(draft, change, "REFUND_FAILED");
  const again = operation.status === Operation_Status.FAILED && isNothing(change);
  if (again) return;
  const body = { operationId, reason, returnedToHeld, ...told(change) };
  draft.say({ case: "refundFailed", value: create(EscrowRefundFailedSchema, body) });
}

/** A fact that must move money and does not is refused by evolve, not taken as nothing. */
function told(change: Change) {
  return change ? { change } : {};
}

function isInFlight(operation: Operation | undefined, kind: Operation_Kind): boolean {
  return operation?.kind === kind && operation.status === Operation_Status.IN_FLIGHT;
}

function isOwed(operation: Operation | undefined): boolean {
  const failed = operation?.status === Operation_Status.FAILED;
  return failed || isInFlight(operation, Operation_Kind.REFUND);
}

/** Asking again at once what payments just sent back would go round in circles. */
function isSentBack(fact: FactBody): boolean {
  return fact.case === "refundRejected" || fact.case === "refundFailed";
}

/** Money held by a cancelled escrow goes back in full, the buyer's fee included. */
function returnLateMoney(draft: Draft): void {
  const { escrow } = draft;
  const { held } = fundsOf(escrow);
  if (escrow.stage !== Escrow_Stage.CANCELLED || held === 0n) return;
  if (isFrozen(escrow) || hasLock(escrow, Lock_Kind.REVIEW)) return;
  requestFullReturn(
    draft,
    sharesInOrder(escrow, held, (m) => m.held),
    { rule: "CANCELLED" },
  );
}
