/**
 * How an operation goes on after a call. Invariant: a new attempt (a new key) starts only after
 * proof that the last one did not happen, because two keys are two payments.
 */
import type { ProviderRequest } from "../provider.ts";
import type { Operation, Payment } from "./payment.ts";

/** Providers forget keys after 24 hours; from here on the same key could pay again. */
const keyHorizonMs = 20 * 3_600_000;
/** A list may lag: two looks this far apart must agree that nothing is there. */
export const lookupGapMs = 15 * 60_000;
const longestBackoffMs = 15 * 60_000;

/** "lookup": the key may no longer be used, ask the provider's list first. */
export function wayOf(operation: Operation, now: Date): "call" | "lookup" {
  if (operation.state === "LOOKUP") return "lookup";
  const { firstSentAt } = operation;
  const keyTooOld =
    firstSentAt !== undefined && now.getTime() - firstSentAt.getTime() >= keyHorizonMs;
  return keyTooOld ? "lookup" : "call";
}

export function sent(operation: Operation, now: Date): Operation {
  const way = wayOf(operation, now);
  if (way === "lookup") return { ...operation, state: "LOOKUP" };
  return {
    ...operation,
    state: "SENT",
    tries: operation.tries + 1,
    firstSentAt: operation.firstSentAt ?? now,
  };
}

/** Provably nothing happened: the same key, later. */
export function afterRetry(operation: Operation, now: Date, afterMs: number): Operation {
  const wait = Math.max(afterMs, Math.min(backoffMs(operation.tries), 30_000));
  return { ...operation, state: "READY", dueAt: new Date(now.getTime() + wait) };
}

/** It may have happened: the same key and bytes again, or the list when the key cannot heal it. */
export function afterUnknown(operation: Operation, now: Date, replayed: boolean): Operation {
  if (replayed) return lookUpNow(operation, now);
  const dueAt = new Date(now.getTime() + backoffMs(operation.tries));
  return { ...operation, state: "UNKNOWN", dueAt };
}

/** The key cannot tell any more: the list must. */
export function lookUpNow(operation: Operation, now: Date): Operation {
  return { ...operation, state: "LOOKUP", dueAt: now, lookups: 0 };
}

/** The list does not show it: once is not proof. */
export function afterAbsent(operation: Operation, now: Date): Operation {
  const lookups = operation.lookups + 1;
  if (lookups < 2) {
    return {
      ...operation,
      state: "LOOKUP",
      lookups,
      dueAt: new Date(now.getTime() + lookupGapMs),
    };
  }
  return { ...nextAttempt(operation, now), absentBefore: true };
}

/** Only after proof that the current attempt did not or does not take effect. */
export function nextAttempt(operation: Operation, now: Date): Operation {
  return {
    ...operation,
    state: "READY",
    attempt: operation.attempt + 1,
    tries: 0,
    lookups: 0,
    firstSentAt: undefined,
    objectId: undefined,
    code: "",
    dueAt: now,
  };
}

/** 1 s, 2 s, 4 s … at most a quarter of an hour. */
export function backoffMs(tries: number): number {
  return Math.min(1_000 * 2 ** Math.max(0, tries - 1), longestBackoffMs);
}

/** What the provider is asked; the order of members is the bytes' order, for ever. */
export function requestOf(payment: Payment, operation: Operation): ProviderRequest {
  return {
    operationId: operation.operationId,
    escrowId: payment.escrowId,
    paymentId: payment.paymentId,
    // What is owed to a seller may have come from other payments.
    paymentRef: operation.kind === "RETRANSFER" ? "" : (payment.providerRef ?? ""),
    buyerId: payment.buyerId,
    sellerId: payment.sellerId,
    amount: operation.net.toString(),
    currency: operation.asset || payment.currency,
    descriptorSuffix: payment.descriptorSuffix,
    target: operation.target,
    ...(operation.asset !== "" && { depositId: operation.depositId }),
  };
}
