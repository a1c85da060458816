/**
 * The guards that commands pass, always in one order. Membership decides; roles only add rights.
 */
import {
  type Actor,
  Actor_Kind,
  type Escrow,
  Escrow_Stage,
  Lock_Kind,
  type Milestone,
} from "#gen/escrow/v1/types_pb";
import { type Standing, standingOf } from "#kernel/standing";
import { Code } from "./draft.ts";
import { disputeOn, hasLock, inside, isBlocked, isFrozen, termsOf } from "./escrow.ts";
import type { Context, Rejection } from "./messages.ts";
import { isSettled } from "./status.ts";

/** For whoever is no member it does not exist. */
export const guardOrder = ["exists", "version", "state", "actor", "rule"] as const;

/** May the actor know that this escrow exists? */
export function isMember(escrow: Escrow, actor: Actor): boolean {
  return isSystem(actor) || standingTo(escrow, actor) !== undefined;
}

export function isParty(escrow: Escrow, actor: Actor): boolean {
  return isBuyer(escrow, actor) || isSeller(escrow, actor);
}

export function isBuyer(escrow: Escrow, actor: Actor): boolean {
  return standingTo(escrow, actor) === "buyer";
}

export function isSeller(escrow: Escrow, actor: Actor): boolean {
  return standingTo(escrow, actor) === "seller";
}

/** The service that a new escrow of this actor will know as its creator. */
export function creatingService({ id, serviceId, roles }: Actor): string {
  return serviceId || (roles.includes("service") ? id : "");
}

/** An operator or arbiter; never of an escrow he is a party of. */
export function isOperator(escrow: Escrow, actor: Actor): boolean {
  const { buyerId, sellerId } = termsOf(escrow);
  const party = actor.id === buyerId || actor.id === sellerId;
  return actor.kind === Actor_Kind.USER && actor.roles.includes("admin") && !party;
}

export function isSystem(actor: Actor): boolean {
  return actor.kind === Actor_Kind.SYSTEM;
}

/** Two different operators, neither of them a party. */
export function isApproved(escrow: Escrow, { approvedBy }: Context): boolean {
  const { buyerId, sellerId } = termsOf(escrow);
  const operators = new Set(approvedBy.filter((id) => id && id !== buyerId && id !== sellerId));
  return operators.size >= 2;
}

/** Can money of this escrow be decided on at all? */
export function fundedGuard(escrow: Escrow): Rejection | undefined {
  if (isBlocked(escrow)) return lockedBy("the funds are blocked");
  if (escrow.stage === Escrow_Stage.CANCELLED) {
    return { code: Code.CANCELLED, detail: "the escrow was cancelled" };
  }
  if (escrow.stage !== Escrow_Stage.ACTIVE) {
    return { code: Code.NOT_FUNDED, detail: "the escrow is not funded" };
  }
  if (isSettled(escrow)) return { code: Code.ALREADY_SETTLED, detail: "nothing is left to decide" };
  return undefined;
}

/** Can money leave? Not while frozen, in screening, or disputed in every milestone asked for. */
export function leavingGuard(escrow: Escrow, milestoneId: string): Rejection | undefined {
  return (
    fundedGuard(escrow) ??
    freezeGuard(escrow) ??
    reviewGuard(escrow) ??
    disputeGuard(escrow, milestoneId)
  );
}

export function freezeGuard(escrow: Escrow): Rejection | undefined {
  return isFrozen(escrow) ? lockedBy("a chargeback is open") : undefined;
}

export function reviewGuard(escrow: Escrow): Rejection | undefined {
  return hasLock(escrow, Lock_Kind.REVIEW) ? lockedBy("a screening is open") : undefined;
}

/** All that was asked for is disputed. */
function disputeGuard(escrow: Escrow, milestoneId: string): Rejection | undefined {
  const asked = addressed(escrow, milestoneId).filter((m) => inside(m) > 0n);
  const disputed = asked.length > 0 && asked.every((m) => disputeOn(escrow, m.milestoneId));
  return disputed ? lockedBy("the milestone is disputed") : undefined;
}

/** Any milestone with money is disputed: what concerns the whole escrow waits. */
export function anyDisputeGuard(escrow: Escrow): Rejection | undefined {
  const disputed = escrow.milestones.some(
    (m) => inside(m) > 0n && disputeOn(escrow, m.milestoneId),
  );
  return disputed ? lockedBy("a milestone is disputed") : undefined;
}

export function milestoneGuard(escrow: Escrow, milestoneId: string): Rejection | undefined {
  if (!milestoneId || escrow.milestones.some((m) => m.milestoneId === milestoneId))
    return undefined;
  return { code: Code.MILESTONE_UNKNOWN, detail: `no milestone ${milestoneId}` };
}

/** The named milestone, or all. */
export function addressed(escrow: Escrow, milestoneId: string): readonly Milestone[] {
  return milestoneId
    ? escrow.milestones.filter((m) => m.milestoneId === milestoneId)
    : escrow.milestones;
}

export function lockedBy(detail: string): Rejection {
  return { code: Code.ESCROW_LOCKED, detail };
}

function standingTo(escrow: Escrow, actor: Actor): Standing | undefined {
  if (actor.kind !== Actor_Kind.USER) return undefined;
  const { buyerId, sellerId } = termsOf(escrow);
  return standingOf({ buyerId, sellerId, serviceId: escrow.serviceId }, actor);
}
