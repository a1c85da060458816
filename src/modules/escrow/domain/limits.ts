/**
 * How much a party may begin in one day, judged on whole deals, so that cutting one into many or
 * raising a small one later dodges nothing. Both sides of a deal are counted.
 */
import { CommandRejected_Code as Code } from "#gen/escrow/v1/events_pb";
import type { Terms } from "#gen/escrow/v1/types_pb";
import { max } from "#kernel/money";
import type { Context, EventBody, PartyLimits, Rejection } from "./messages.ts";

/** What one event adds to its parties' day. */
export interface Begun {
  readonly parties: readonly string[];
  readonly currency: string;
  readonly escrows: bigint;
  readonly amount: bigint;
}

export function hasLimits({ escrows, amounts }: PartyLimits): boolean {
  return escrows !== undefined || amounts.size > 0;
}

/** `before` is absent for a new deal; of an amended one only the growth counts. */
export function limitGuard(
  before: Terms | undefined,
  after: Terms,
  { rules, now }: Context,
): Rejection | undefined {
  const { parties, currency, escrows, amount } = begun(before, after);
  const most = rules.limits.amounts.get(currency);
  for (const partyId of parties) {
    const used = rules.used(partyId, currency, now);
    const tooMany =
      escrows > 0n &&
      rules.limits.escrows !== undefined &&
      used.escrows + escrows > rules.limits.escrows;
    const tooMuch = amount > 0n && most !== undefined && used.amount + amount > most;
    // Which party it is, and what it has begun, stays untold: a stranger's day is his own business.
    if (tooMany) {
      return exceeded(
        `A party to this deal has reached its limit of ${rules.limits.escrows} new deals per UTC day.`,
      );
    }
    if (tooMuch) {
      return exceeded(
        `This deal's ${amount} would take one of its parties over its limit of ${most} ${currency} (minor units) per UTC day.`,
      );
    }
  }
  return undefined;
}

/** What an accepted event has begun, if it began anything. */
export function begunBy(before: Terms | undefined, body: EventBody): Begun | undefined {
  const opens = body.case === "created" || body.case === "termsAmended";
  const terms = opens ? body.value.terms : undefined;
  if (!terms) return undefined;
  const added = begun(before, terms);
  return added.escrows > 0n || added.amount > 0n ? added : undefined;
}

function begun(before: Terms | undefined, after: Terms): Begun {
  const { buyerId, sellerId, amount } = after;
  const growth = (amount?.amount ?? 0n) - (before?.amount?.amount ?? 0n);
  return {
    parties: [buyerId, sellerId],
    currency: amount?.currency ?? "",
    escrows: before === undefined ? 1n : 0n,
    amount: max(growth, 0n),
  };
}

function exceeded(detail: string): Rejection {
  return { code: Code.LIMIT_EXCEEDED, detail };
}
