/** The provider's price of one movement, booked with it. Pure. */
import * as post from "../ledger/post.ts";
import { type Effect, postFor } from "./effect.ts";
import type { Operation } from "./payment.ts";

/** What the provider or its network took for moving the money: the platform's expense. */
export function feePaid(
  provider: string,
  { operationId }: Operation,
  fee: bigint | undefined,
): readonly Effect[] {
  if (fee === undefined || fee === 0n) return [];
  return [postFor({ operationId }, post.providerFeeKnown(provider, fee))];
}
