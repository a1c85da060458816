/**
 * The provider may hold the money no longer, and nobody has decided: what the terms say of silence
 * decides. Disputed money goes by the default outcome, delivered money to the seller, the rest by
 * the outcome of a missed delivery. What a lock or a standing decision holds is an operator's.
 */
import { Lock_Kind, type Milestone, Terms_Outcome } from "#gen/escrow/v1/types_pb";
import { sum } from "#kernel/money";
import { settle } from "./decide-dispute.ts";
import type { Draft } from "./draft.ts";
import { disputeOn, free, hasLock, isFrozen, termsOf } from "./escrow.ts";
import { sharesInOrder } from "./funds.ts";
import { requestRefund, requestRelease } from "./requests.ts";

const cause = "HOLDING_LIMIT";

export function forceDecision(draft: Draft): void {
  if (isFrozen(draft.escrow) || hasLock(draft.escrow, Lock_Kind.REVIEW)) return;
  const { defaultOutcome, deliveryOutcome } = termsOf(draft.escrow);
  const open = draft.escrow.milestones.filter((milestone) => free(milestone) > 0n);
  const isDisputed = ({ milestoneId }: Milestone) => disputeOn(draft.escrow, milestoneId);
  const disputed = open.filter(isDisputed);
  const others = open.filter((milestone) => !isDisputed(milestone));
  if (disputed.length > 0) {
    const total = sum(disputed.map(free));
    const [buyer, seller] = defaultOutcome === Terms_Outcome.RELEASE ? [0n, total] : [total, 0n];
    settle(draft, { milestones: disputed, buyer, seller, by: "DEFAULT" });
  }
  const undelivered = deliveryOutcome === Terms_Outcome.RELEASE ? requestRelease : requestRefund;
  for (const milestone of others) {
    const request = milestone.delivered ? requestRelease : undelivered;
    const open = (m: Milestone) => (m.milestoneId === milestone.milestoneId ? free(m) : 0n);
    request(draft, sharesInOrder(draft.escrow, free(milestone), open), { rule: cause });
  }
}
