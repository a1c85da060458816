/**
 * What follows from the answer to a provider call or a look-up. Pure. The answer is applied to the
 * operation as it stands now: a late answer to a call that was settled otherwise says nothing.
 */
import { create } from "@bufbuild/protobuf";
import { PaymentFailedSchema, ProviderCallFinishedSchema } from "#gen/payments/v1/events_pb";
import type { Outcome, ProviderObject } from "../provider.ts";
import { afterAbsent, afterRetry, afterUnknown, lookUpNow, nextAttempt } from "./calls.ts";
import { paymentCancelled } from "./decide.ts";
import { type Effect, say } from "./effect.ts";
import { observe, refundFailed, type Seen, transferUndone } from "./observe.ts";
import {
  type Gone,
  isLocked,
  type Operation,
  type OperationKind,
  type Payment,
} from "./payment.ts";
import { retransferFailed, reversalFailed } from "./reversal.ts";
import { backWithdrawn } from "./wrong-asset.ts";

export interface Answer {
  readonly way: "call" | "lookup";
  /** Of a look-up: undefined when the list does not show it. */
  readonly outcome: Outcome<ProviderObject | undefined>;
  readonly durationMs: number;
}

/** The calls by which money leaves: they pass the gate when they are claimed. */
export function leaves(kind: OperationKind): boolean {
  return kind === "TRANSFER" || kind === "REFUND" || kind === "RETRANSFER";
}

/**
 * The last gate, asked under the root's lock: while locked nothing leaves, what is READY waits. So does
 * what would give back a deposit that is gone: it could only be out of another one.
 */
export function mayBeCalled(payment: Payment, operation: Operation, gone?: Gone): boolean {
  if (!leaves(operation.kind)) return true;
  // Neither of them is out of what the escrow has reserved.
  const elsewhere = operation.kind === "RETRANSFER" || operation.asset !== "";
  const enough = elsewhere || payment.funds.reserved >= operation.net;
  // Tried once and to be tried again, it provably did not happen. What may have been sent must be
  // finished, or nobody ever learns whether it happened.
  return operation.state === "READY" && operation.tries <= 1
    ? !isLocked(payment) && gone === undefined && enough
    : enough;
}

export function conclude(
  payment: Payment,
  operation: Operation,
  answer: Answer,
  seen: Omit<Seen, "operation">,
): readonly Effect[] {
  const { outcome } = answer;
  const { now } = seen;
  switch (outcome.kind) {
    case "succeeded":
      return [
        finished(operation, answer),
        ...found(payment, operation, outcome.value, answer, seen),
      ];
    case "refused":
      if (answer.way === "lookup") return [moved(afterUnknown(operation, now, false), answer)];
      // A no to the repeat is no word on the try before it: that one may have happened.
      if (operation.tries > 1) return [moved(lookUpNow(operation, now), answer)];
      return [
        finished(operation, answer),
        ...refused(payment, operation, codeOf(operation, outcome.code), now),
      ];
    case "retry":
      if (answer.way === "lookup") return [moved(waitingLookup(operation, now), answer)];
      return [moved(afterRetry(operation, now, outcome.afterMs), answer)];
    case "unknown": {
      const next =
        answer.way === "lookup"
          ? waitingLookup(operation, now)
          : afterUnknown(operation, now, outcome.replayed);
      const first = operation.tries === 1 && answer.way === "call";
      return first ? [finished(operation, answer), moved(next, answer)] : [moved(next, answer)];
    }
    default:
      return outcome satisfies never;
  }
}

function found(
  payment: Payment,
  operation: Operation,
  object: ProviderObject | undefined,
  { way }: Answer,
  seen: Omit<Seen, "operation">,
): readonly Effect[] {
  if (object === undefined) {
    const next = afterAbsent(operation, seen.now);
    const over = seen.gone !== undefined && next.state === "READY";
    return [over ? backWithdrawn(next) : { case: "moved", operation: next }];
  }
  const ended = object.kind === "payment" && object.status === "cancelled";
  if (operation.kind === "CANCEL_PAYMENT" && way === "lookup" && !ended) {
    // It stands there uncancelled: that is the proof a new key needs.
    const effects = observe(payment, object, { ...seen, operation });
    return [...effects, { case: "moved", operation: nextAttempt(operation, seen.now) }];
  }
  const done: Operation = {
    ...operation,
    state: object.kind === "payment" ? "SUCCEEDED" : operation.state,
    objectId: object.objectId,
    dueAt: undefined,
  };
  const effects = observe(payment, object, { ...seen, operation: done });
  if (object.kind !== "payment") return effects;
  const cancelled = ended && operation.kind === "CANCEL_PAYMENT";
  return [
    { case: "moved", operation: done },
    ...effects,
    ...(cancelled ? [paymentCancelled(payment)] : []),
  ];
}

/** Only what is taken back is tried smaller. */
function codeOf({ kind }: Operation, code: string): string {
  return code === "BALANCE_TOO_SMALL" && kind !== "REVERSAL" ? "PROVIDER_REFUSED" : code;
}

function refused(
  payment: Payment,
  operation: Operation,
  code: string,
  now: Date,
): readonly Effect[] {
  const closed: Effect = {
    case: "moved",
    operation: { ...operation, state: "REJECTED", dueAt: undefined, code },
  };
  switch (operation.kind) {
    case "CREATE_PAYMENT": {
      const { paymentId } = payment;
      const value = create(PaymentFailedSchema, { paymentId, code });
      return [
        closed,
        { case: "set", fields: { status: "FAILED", lastError: code } },
        say({ case: "paymentFailed", value }),
      ];
    }
    case "CANCEL_PAYMENT":
      return [closed];
    case "REVERSAL":
      return reversalFailed(payment, operation, { code, now });
    case "RETRANSFER":
      return retransferFailed(operation, code);
    case "TRANSFER":
      return transferUndone(payment, operation, code);
    case "REFUND":
      return [
        { case: "moved", operation: { ...operation, state: "FAILED", dueAt: undefined, code } },
        ...refundFailed(payment, operation, code),
      ];
    default:
      return operation.kind satisfies never;
  }
}

function waitingLookup(operation: Operation, now: Date): Operation {
  return { ...operation, state: "LOOKUP", dueAt: new Date(now.getTime() + 60_000) };
}

function moved(operation: Operation, { way }: Answer): Effect {
  // A look-up that failed leaves the key alone: it was looked up because the key is too old.
  return {
    case: "moved",
    operation: way === "lookup" ? { ...operation, state: "LOOKUP" } : operation,
  };
}

function finished(operation: Operation, { way, outcome, durationMs }: Answer): Effect {
  const value = create(ProviderCallFinishedSchema, {
    operationId: operation.operationId,
    call: way === "call" ? operation.kind : `LOOKUP_${operation.kind}`,
    outcome: outcome.kind === "refused" ? outcome.code : outcome.kind,
    attempt: operation.attempt,
    durationMs: Math.round(durationMs),
  });
  return say({ case: "providerCallFinished", value });
}
