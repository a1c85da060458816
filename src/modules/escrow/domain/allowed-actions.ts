/**
 * What an actor may try now, from the standing that every event carries, so that queries answer it
 * without the escrow's own row. Mirrors decide's guards; a property test holds both together.
 */
import {
  type Actor,
  type EscrowStatus,
  Lock_Kind,
  type Milestone,
  EscrowStatus_State as State,
} from "#gen/escrow/v1/types_pb";
import { disputeOn, free, hasLock, inside } from "./escrow.ts";

export type Action =
  | "accept"
  | "amend"
  | "cancel"
  | "deliver"
  | "release"
  | "refund"
  | "dispute"
  | "withdraw-dispute"
  | "resolve"
  | "evidence"
  | "settlement-offers"
  | "accept-settlement"
  | "unblock";

/** An escrow's standing and who its members are. */
export interface EscrowView {
  readonly status: EscrowStatus;
  readonly buyerId: string;
  readonly sellerId: string;
  readonly serviceId?: string;
}

type Side = "buyer" | "seller" | "operator";

export function allowedActions(view: EscrowView, actor: Actor): Action[] {
  const side = sideOf(view, actor);
  if (!side) return [];
  const { status } = view;
  const actions: [Action, boolean][] = [
    ["accept", side !== "operator" && status.state === State.PROPOSED && !accepted(status, side)],
    ["amend", side !== "operator" && mayAmend(status)],
    ["cancel", side !== "operator" && mayCancel(status, actor)],
    ["deliver", side === "seller" && mayDeliver(status)],
    ["release", side !== "seller" && mayRelease(status, side)],
    ["refund", side !== "buyer" && mayRefund(status)],
    ["dispute", side !== "operator" && mayDispute(status)],
    ["withdraw-dispute", side !== "operator" && mayWithdraw(status, actor)],
    ["resolve", side === "operator" && mayResolve(status)],
    ["evidence", side === "operator" || status.state !== State.BLOCKED],
    ["settlement-offers", side !== "operator" && mayOffer(status)],
    ["accept-settlement", side !== "operator" && mayAccept(status, actor)],
    ["unblock", side === "operator" && hasLock(status, Lock_Kind.SANCTIONS)],
  ];
  return actions.flatMap(([action, allowed]) => (allowed ? [action] : []));
}

function sideOf({ buyerId, sellerId, serviceId }: EscrowView, actor: Actor): Side | undefined {
  const speaks = !actor.serviceId || actor.serviceId === serviceId;
  if (actor.id === buyerId) return speaks ? "buyer" : undefined;
  if (actor.id === sellerId) return speaks ? "seller" : undefined;
  return actor.roles.includes("admin") ? "operator" : undefined;
}

function accepted(status: EscrowStatus, side: Side): boolean {
  return side === "buyer" ? status.buyerAccepted : status.sellerAccepted;
}

function mayAmend(status: EscrowStatus): boolean {
  return isOpen(status) || (undecided(status) && !isAnyDisputed(status));
}

function mayCancel(status: EscrowStatus, actor: Actor): boolean {
  if (isOpen(status)) return true;
  return mayAmend(status) && !inReview(status) && status.cancelRequestedBy !== actor.id;
}

function mayDeliver(status: EscrowStatus): boolean {
  return mayLeave(status) && movable(status).some((m) => free(m) > 0n && !m.delivered);
}

function mayRelease(status: EscrowStatus, side: Side): boolean {
  // An operator may also ask again for what the seller could not receive.
  const money = side === "operator" ? (m: Milestone) => m.held : free;
  return mayLeave(status) && movable(status).some((m) => money(m) > 0n);
}

function mayRefund(status: EscrowStatus): boolean {
  const late = status.state === State.CANCELLED && !isFrozen(status) && !inReview(status);
  return (late || mayLeave(status)) && movable(status).some((m) => m.held > 0n);
}

function mayDispute(status: EscrowStatus): boolean {
  return undecided(status) && movable(status).some((m) => m.held > 0n && m.standing === 0n);
}

function mayWithdraw(status: EscrowStatus, actor: Actor): boolean {
  const own = status.locks.some(
    (lock) => lock.kind === Lock_Kind.DISPUTE && lock.openedBy === actor.id,
  );
  return own && isFunded(status);
}

function mayResolve(status: EscrowStatus): boolean {
  const locked = status.milestones.some((m) => free(m) > 0n && disputeOn(status, m.milestoneId));
  return locked && undecided(status) && !inReview(status);
}

function mayOffer(status: EscrowStatus): boolean {
  return undecided(status) && status.milestones.some((m) => free(m) > 0n);
}

function mayAccept(status: EscrowStatus, actor: Actor): boolean {
  const offered = status.offers.some((offer) => offer.offeredBy !== actor.id);
  return offered && mayOffer(status) && !inReview(status);
}

function mayLeave(status: EscrowStatus): boolean {
  return undecided(status) && !inReview(status);
}

/** Funded, not frozen, and something is held. */
function undecided(status: EscrowStatus): boolean {
  return isFunded(status) && !isFrozen(status) && (status.funds?.held ?? 0n) > 0n;
}

function isFunded({ state }: EscrowStatus): boolean {
  switch (state) {
    case State.FUNDS_HELD:
    case State.DELIVERED:
    case State.DISPUTED:
    case State.RELEASING:
    case State.RELEASE_BLOCKED:
    case State.REFUNDING:
    case State.FROZEN:
      return true;
    case State.UNSPECIFIED:
    case State.PROPOSED:
    case State.AWAIT_FUNDS:
    case State.CANCELLED:
    case State.RELEASED:
    case State.REFUNDED:
    case State.CHARGED_BACK:
    case State.BLOCKED:
    case State.CLOSED:
      return false;
    default:
      return state satisfies never;
  }
}

function isOpen({ state }: EscrowStatus): boolean {
  return state === State.PROPOSED || state === State.AWAIT_FUNDS;
}

function isFrozen(status: EscrowStatus): boolean {
  return hasLock(status, Lock_Kind.CHARGEBACK, Lock_Kind.SANCTIONS);
}

function inReview(status: EscrowStatus): boolean {
  return hasLock(status, Lock_Kind.REVIEW);
}

function isAnyDisputed(status: EscrowStatus): boolean {
  return status.milestones.some((m) => inside(m) > 0n && disputeOn(status, m.milestoneId));
}

function movable(status: EscrowStatus): readonly Milestone[] {
  return status.milestones.filter((m) => !disputeOn(status, m.milestoneId));
}
