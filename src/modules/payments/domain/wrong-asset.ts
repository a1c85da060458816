/** A payment that got another asset than it asked for, once that is gone again. Pure. */
import type { Effect } from "./effect.ts";
import type { Payment } from "./payment.ts";

/** The right asset is what is missing again. */
export function waitsAgain({ status, funds }: Payment): readonly Effect[] {
  if (status !== "WRONG_ASSET") return [];
  const waits = funds.pending > 0n ? "UNDERFUNDED" : "REQUIRES_PAYMENT";
  return [{ case: "set", fields: { status: waits } }];
}
