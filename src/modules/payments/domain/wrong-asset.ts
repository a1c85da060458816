/** A payment that got another asset than it asked for, once that is gone again. Pure. */
import type { Effect } from "./effect.ts";
import type { Operation, Payment } from "./payment.ts";

/** The right asset is what is missing again. */
export function waitsAgain({ status, funds }: Payment): readonly Effect[] {
  if (status !== "WRONG_ASSET") return [];
  const waits = funds.pending > 0n ? "UNDERFUNDED" : "REQUIRES_PAYMENT";
  return [{ case: "set", fields: { status: waits } }];
}

/** Nothing is left that could be given back. */
export function backWithdrawn(operation: Operation): Effect {
  const undone = { state: "WITHDRAWN", dueAt: undefined, code: "DEPOSIT_UNDONE" } as const;
  return { case: "moved", operation: { ...operation, ...undone } };
}
