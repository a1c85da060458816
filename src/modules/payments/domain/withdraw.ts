/**
 * A lock that meets money on its way. What was not sent is withdrawn by the mirror of its acceptance;
 * what may have been sent is looked up, never sent again, until it is known.
 */
import { create } from "@bufbuild/protobuf";
import { RefundFailedSchema, RefundRejectedSchema } from "#gen/payments/v1/events_pb";
import * as post from "../ledger/post.ts";
import type { BankCase } from "./bank-case.ts";
import { lookUpNow } from "./calls.ts";
import { isReturn } from "./decide.ts";
import { type Effect, postFor, say } from "./effect.ts";
import { transferUndone } from "./observe.ts";
import { type Gone, isLocked, type Operation, type Payment } from "./payment.ts";

/** Of a locked payment; may be asked any number of times. */
export function withdrawUnsent(bankCase: BankCase): void {
  for (const operation of bankCase.operations()) withdrawIfUnsent(bankCase, operation);
}

export function withdrawIfUnsent(bankCase: BankCase, operation: Operation): void {
  if (operation.kind !== "TRANSFER" && operation.kind !== "REFUND") return;
  if (neverHappened(operation)) bankCase.add(...withdrawn(bankCase.payment(), operation));
  else if (operation.state === "READY" || operation.state === "UNKNOWN") {
    bankCase.add({ case: "moved", operation: lookUpNow(operation, bankCase.now) });
  }
}

/**
 * Calls that may have happened are looked up instead of made again, where the payment is locked or
 * what they give back is gone.
 */
export function lookOnly(payment: Payment, operation: Operation, gone?: Gone): Operation {
  // A retransfer is out of the platform's own balance.
  const outOfEscrow = operation.kind === "TRANSFER" || operation.kind === "REFUND";
  const { state, tries } = operation;
  const asked = state === "SENT" || state === "UNKNOWN" || (state === "READY" && tries > 1);
  if (!outOfEscrow || !asked || (!isLocked(payment) && gone === undefined)) return operation;
  return { ...operation, state: "LOOKUP", lookups: 0 };
}

/** Not tried, tried once and provably not taken, or a refund that the provider could not make. */
export function neverHappened({ state, tries, kind }: Operation): boolean {
  if (state === "FAILED") return kind === "REFUND";
  return state === "READY" && tries <= 1;
}

function withdrawn(payment: Payment, operation: Operation): readonly Effect[] {
  if (operation.kind === "TRANSFER") return transferUndone(payment, operation, "LOCKED");
  const moved: Effect = {
    case: "moved",
    operation: { ...operation, state: "WITHDRAWN", dueAt: undefined, code: "LOCKED" },
  };
  // Of another asset nothing was reserved: it waits in suspense for the next decision.
  return operation.asset === "" ? [moved, ...refundUndone(operation)] : [moved];
}

function refundUndone(operation: Operation): readonly Effect[] {
  const { operationId, gross, fee, net, state } = operation;
  if (isReturn(operation)) {
    const back = post.pendingRefundUndone(gross);
    return [postFor({ operationId }, back, back.change)];
  }
  const code = "LOCKED";
  const change = { reserved: -net, held: gross, fees: fee };
  const posted = postFor({ operationId }, post.refundUndone({ amount: gross, feeReturned: fee }));
  if (state === "FAILED") {
    const value = create(RefundFailedSchema, {
      operationId,
      code,
      amount: net,
      returnedToHeld: true,
    });
    return [posted, say({ case: "refundFailed", value }, change)];
  }
  const value = create(RefundRejectedSchema, { operationId, code, amount: gross });
  return [posted, say({ case: "refundRejected", value }, change)];
}
