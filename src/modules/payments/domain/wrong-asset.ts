/** A payment that got another asset than it asked for, once that is gone again. Pure. */
import type { Effect } from "./effect.ts";
import type { Operation, Payment } from "./payment.ts";
import { awaited } from "./payment-status.ts";

/** What got some of the right asset, is complete, or is over stays so, whatever else somebody sends. */
export function gotOnly({ status }: Payment): readonly Effect[] {
  if (status !== "REQUIRES_PAYMENT" && status !== "PROCESSING") return [];
  return [{ case: "set", fields: { status: "WRONG_ASSET" } }];
}

/** The right asset is what is missing again. */
export function waitsAgain(payment: Payment): readonly Effect[] {
  if (payment.status !== "WRONG_ASSET") return [];
  return [{ case: "set", fields: { status: awaited(payment) } }];
}

/** Nothing is left that could be given back. */
export function backWithdrawn(operation: Operation): Effect {
  const undone = { state: "WITHDRAWN", dueAt: undefined, code: "DEPOSIT_UNDONE" } as const;
  return { case: "moved", operation: { ...operation, ...undone } };
}
