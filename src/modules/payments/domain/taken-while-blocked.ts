/**
 * A bank or a chain takes money back although a sanctions hit has blocked it: it is gone all the same,
 * and lifting the hit must not pay it out of others'. For the length of the decision it is where it
 * was before the hit; what is left of it is blocked again, each hit with its part. Pure.
 */
import { max, min, sum, takeInOrder } from "#kernel/money";
import * as post from "../ledger/post.ts";
import { type Effect, postFor } from "./effect.ts";
import { evolveAll } from "./evolve.ts";
import type { Payment } from "./payment.ts";
import type { Screening } from "./screening.ts";

const places = ["pending", "held", "fees"] as const;
type Shares = Readonly<Record<(typeof places)[number], bigint>>;

export function whileBlocked(
  payment: Payment,
  screenings: Iterable<Screening>,
  decide: (payment: Payment) => readonly Effect[],
): readonly Effect[] {
  const plain = decide(payment);
  const hits = [...screenings].filter(({ state, blocked }) => {
    return state === "BLOCKED" && places.some((place) => blocked[place] > 0n);
  });
  if (!payment.sanctioned || hits.length === 0 || !plain.some(takes)) return plain;
  const freed = hits.map((hit) => freeing(hit));
  const free = evolveAll(payment, freed);
  const done = decide(free);
  const after = evolveAll(free, done);
  const rest = partsOf(hits, free, after);
  return [...freed, ...done, ...hits.flatMap((hit, i) => blockedAgain(hit, rest[i]))];
}

function takes(effect: Effect): boolean {
  return effect.case === "posted" && effect.transaction.reason === "chargeback_taken";
}

function freeing({ reviewId, blocked }: Screening): Effect {
  const transaction = post.fundsUnblocked(blocked);
  return postFor({ depositId: reviewId }, transaction, transaction.change);
}

/** What was not taken, the first hits' first. */
function partsOf(hits: readonly Screening[], free: Payment, after: Payment): readonly Shares[] {
  const [pending, held, fees] = places.map((place) => {
    const theirs = hits.map(({ blocked }) => blocked[place]);
    const gone = max(free.funds[place] - after.funds[place], 0n);
    return takeInOrder(min(max(sum(theirs) - gone, 0n), after.funds[place]), theirs).parts;
  });
  return hits.map((_, i) => {
    return { pending: pending?.[i] ?? 0n, held: held?.[i] ?? 0n, fees: fees?.[i] ?? 0n };
  });
}

function blockedAgain(hit: Screening, shares: Shares | undefined): readonly Effect[] {
  if (shares === undefined) return [];
  const transaction = post.fundsBlocked(shares);
  const blocked = { ...hit.blocked, ...shares };
  return [
    postFor({ depositId: hit.reviewId }, transaction, transaction.change),
    { case: "screened", screening: { ...hit, blocked } },
  ];
}
