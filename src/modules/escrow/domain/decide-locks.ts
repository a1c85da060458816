/**
 * Locks that facts open and close: chargebacks, sanctions, screening, risk. They are a set and come
 * and go in any order; when the last one that stopped a decided release closes, it is asked again.
 */
import { create } from "@bufbuild/protobuf";
import type { UnblockEscrow } from "#gen/escrow/v1/commands_pb";
import {
  EscrowBlockedSchema,
  EscrowChargedBackSchema,
  EscrowFrozenSchema,
  EscrowFundsChangedSchema,
  EscrowReviewClosedSchema,
  EscrowReviewOpenedSchema,
  EscrowRiskClearedSchema,
  EscrowRiskHeldSchema,
  EscrowUnblockedSchema,
  EscrowUnfrozenSchema,
} from "#gen/escrow/v1/events_pb";
import { type FundsChange, type Lock, Lock_Kind, LockSchema } from "#gen/escrow/v1/types_pb";
import { Code, type Draft, reject } from "./draft.ts";
import { hasLock } from "./escrow.ts";
import { isNothing, spread } from "./funds.ts";
import { isApproved, isOperator } from "./guards.ts";
import type { Context, Decision, FactOf } from "./messages.ts";
import { resumeReleases } from "./requests.ts";

type Change = FundsChange | undefined;

/** The books moved and no decision of this escrow explains it. */
export function moneyMoved(draft: Draft, change: Change, reason: string): void {
  if (!change || isNothing(change)) return;
  const shares = spread(draft.escrow, change);
  const value = create(EscrowFundsChangedSchema, { change, reason, shares });
  draft.say({ case: "fundsChanged", value });
}

/** Lifts what was known when it was asked: a hit that came later is for two operators to judge. */
export function unblockEscrow(
  draft: Draft,
  { references }: UnblockEscrow,
  context: Context,
): Decision {
  const { escrow } = draft;
  if (!hasLock(escrow, Lock_Kind.SANCTIONS)) {
    return reject(Code.NOT_BLOCKED, "the funds are not blocked");
  }
  if (!isOperator(escrow, context.actor)) {
    return reject(Code.ROLE_REQUIRED, "only operators unblock");
  }
  if (!isApproved(escrow, context)) {
    return reject(Code.APPROVAL_REQUIRED, "a second operator approves first");
  }
  const known = references.filter((reference) => lockOf(draft, Lock_Kind.SANCTIONS, reference));
  if (known.length === 0) return reject(Code.NOT_BLOCKED, "what was asked is lifted already");
  unblocked(draft, known, context.approvedBy);
  return draft.decision();
}

export function chargebackOpened(draft: Draft, fact: FactOf<"chargebackOpened">, change: Change) {
  const reference = fact.disputeId;
  if (fact.inquiry) {
    riskOpened(draft, reference);
    return moneyMoved(draft, change, "INQUIRY");
  }
  // An inquiry that escalated.
  riskClosed(draft, reference);
  if (lockOf(draft, Lock_Kind.CHARGEBACK, reference)) {
    return moneyMoved(draft, change, "CHARGEBACK");
  }
  const lock = newLock(draft, Lock_Kind.CHARGEBACK, reference);
  const value = create(EscrowFrozenSchema, { lock, ...moved(draft, change) });
  return draft.say({ case: "frozen", value });
}

export function chargebackClosed(draft: Draft, fact: FactOf<"chargebackClosed">, change: Change) {
  const reference = fact.disputeId;
  riskClosed(draft, reference);
  if (!lockOf(draft, Lock_Kind.CHARGEBACK, reference)) {
    return moneyMoved(draft, change, "CHARGEBACK_CLOSED");
  }
  const body = { reference, ...moved(draft, change) };
  draft.say(
    fact.won
      ? { case: "unfrozen", value: create(EscrowUnfrozenSchema, body) }
      : { case: "chargedBack", value: create(EscrowChargedBackSchema, body) },
  );
  return resumeReleases(draft);
}

export function fundsBlocked(draft: Draft, { reference }: FactOf<"fundsBlocked">, change: Change) {
  if (lockOf(draft, Lock_Kind.SANCTIONS, reference)) {
    return moneyMoved(draft, change, "BLOCKED");
  }
  const lock = newLock(draft, Lock_Kind.SANCTIONS, reference);
  const value = create(EscrowBlockedSchema, { lock, ...moved(draft, change) });
  return draft.say({ case: "blocked", value });
}

export function fundsUnblocked(
  draft: Draft,
  { reference }: FactOf<"fundsUnblocked">,
  change: Change,
): void {
  if (lockOf(draft, Lock_Kind.SANCTIONS, reference)) unblocked(draft, [reference], []);
  moneyMoved(draft, change, "UNBLOCKED");
  resumeReleases(draft);
}

export function screeningHeld(draft: Draft, { reviewId }: FactOf<"screeningHeld">): void {
  if (lockOf(draft, Lock_Kind.REVIEW, reviewId)) return;
  const lock = newLock(draft, Lock_Kind.REVIEW, reviewId);
  draft.say({ case: "reviewOpened", value: create(EscrowReviewOpenedSchema, { lock }) });
}

export function screeningCleared(draft: Draft, { reviewId }: FactOf<"screeningCleared">): void {
  if (!lockOf(draft, Lock_Kind.REVIEW, reviewId)) return;
  const value = create(EscrowReviewClosedSchema, { reference: reviewId });
  draft.say({ case: "reviewClosed", value });
  resumeReleases(draft);
}

export function riskOpened(draft: Draft, reference: string): void {
  if (lockOf(draft, Lock_Kind.RISK, reference)) return;
  const lock = newLock(draft, Lock_Kind.RISK, reference);
  draft.say({ case: "riskHeld", value: create(EscrowRiskHeldSchema, { lock }) });
}

export function riskClosed(draft: Draft, reference: string): void {
  if (!lockOf(draft, Lock_Kind.RISK, reference)) return;
  draft.say({ case: "riskCleared", value: create(EscrowRiskClearedSchema, { reference }) });
}

function unblocked(
  draft: Draft,
  references: readonly string[],
  approvedBy: readonly string[],
): void {
  const value = create(EscrowUnblockedSchema, {
    approvedBy: [...approvedBy],
    references: [...references],
  });
  draft.say({ case: "unblocked", value });
}

function moved({ escrow }: Draft, change: Change) {
  return change ? { change, shares: spread(escrow, change) } : {};
}

function lockOf({ escrow }: Draft, kind: Lock_Kind, reference: string): Lock | undefined {
  return escrow.locks.find((lock) => lock.kind === kind && lock.reference === reference);
}

function newLock(draft: Draft, kind: Lock_Kind, reference: string): Lock {
  return create(LockSchema, { kind, reference, openedBy: "provider", openedAt: draft.now });
}
