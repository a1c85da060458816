/** What a payment's status is, and how much counts as paid, once money went back or came back. Pure. */
import { isComplete, type Payment, type PaymentStatus } from "./payment.ts";

/** Neither complete nor over: by whether anything of what came is still here. */
export function awaited({ funds }: Pick<Payment, "funds">): PaymentStatus {
  const { pending, reserved, blocked } = funds;
  return pending + reserved + blocked > 0n ? "UNDERFUNDED" : "REQUIRES_PAYMENT";
}

/**
 * Before all is paid, what still lies here: what is on its way back is to be paid again. Once it was
 * complete, or is called off, all that came but for what has gone back; what is on its way counts.
 */
export function received(payment: Payment): bigint {
  const { pending, blocked, funded, refunded, chargedBack } = payment.funds;
  return hasEnded(payment) ? funded - refunded - chargedBack : pending + blocked;
}

/** `payment` has the funds that a refund left it. Only what was complete, or is over, ends with it. */
export function statusAfterRefund(payment: Payment): PaymentStatus {
  const { status, funds } = payment;
  if (!hasEnded(payment)) return stillAwaited(payment);
  if (funds.refunded === funds.funded) return "REFUNDED";
  return status === "OVERFUNDED" ? "SUCCEEDED" : status;
}

/** `payment` has again what a refund had taken, which failed after it was confirmed. */
export function statusAfterRefundFailed(payment: Payment): PaymentStatus {
  if (!hasEnded(payment)) return stillAwaited(payment);
  if (payment.status !== "REFUNDED") return payment.status;
  return payment.cancelled ? "LATE" : "SUCCEEDED";
}

export function statusWhenCancelled({ funds }: Payment): PaymentStatus {
  const { funded, refunded, chargedBack } = funds;
  if (funded === chargedBack) return "CANCELLED";
  return funded === refunded + chargedBack ? "REFUNDED" : "LATE";
}

function hasEnded(payment: Payment): boolean {
  return payment.cancelled || isComplete(payment);
}

/** What came of another asset, or is on its way, is not undone by what went back. */
function stillAwaited(payment: Payment): PaymentStatus {
  const { status } = payment;
  return status === "UNDERFUNDED" || status === "REQUIRES_PAYMENT" ? awaited(payment) : status;
}
