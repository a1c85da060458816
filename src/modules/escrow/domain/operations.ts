/**
 * Folds what happens to a decision to move money: asked, confirmed, refused, failed. The cumulative
 * sums go up when it is asked and down when it is undone, so that partial fees add up to the whole.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type Escrow,
  type FundsChange,
  type Milestone,
  type Operation,
  Operation_Kind,
  Operation_Status,
  type Share,
} from "#gen/escrow/v1/types_pb";
import { assert, required } from "#kernel/assert";
import { min, sum } from "#kernel/money";
import { fundsOf, operationOf, standingReleases } from "./escrow.ts";
import { addFunds, changeOf, eachShare, returnToHeld } from "./funds.ts";
import type { EventOf } from "./messages.ts";

/** held moves to reserved; of a refund the buyer's fee too. */
export function requested(state: Escrow, asked: Operation | undefined): Escrow {
  const operation = required(asked, "the operation");
  assert(!operationOf(state, operation.operationId), "an operation is asked once");
  const reserved = addFunds(eachShare(state, operation.shares, reserve), reservation(operation));
  return {
    ...counted(reserved, operation, 1n),
    operations: [...state.operations, operation],
    cancelRequestedBy: fundsOf(reserved).held === 0n ? "" : state.cancelRequestedBy,
  };
}

export function resumed(state: Escrow, { operationId, operation }: EventOf<"releaseResumed">) {
  known(state, operationId);
  return requested(unclaimed(without(state, operationId)), operation);
}

export function released(state: Escrow, body: EventOf<"released">): Escrow {
  const operation = known(state, body.operationId);
  const paid = addFunds(state, required(body.change, "the transfer's change"));
  const moved = eachShare(paid, operation.shares, (milestone, amount) => ({
    ...milestone,
    reserved: milestone.reserved - amount,
    released: milestone.released + amount,
  }));
  return without(moved, body.operationId);
}

/** The mirror of the request; the decision stands and claims the money that returned. */
export function blocked(state: Escrow, body: EventOf<"releaseBlocked">, at: Timestamp): Escrow {
  const operation = known(state, body.operationId);
  const change = required(body.change, "the rejection's change");
  const back = counted(returnToHeld(state, operation, change, "reserved"), operation, -1n);
  const first = standingReleases(state).length === 0;
  return {
    ...withStatus(back, operation, Operation_Status.BLOCKED),
    releaseBlockedReason: body.reason,
    ...(first && { releaseBlockedAt: at }),
  };
}

export function refunded(state: Escrow, body: EventOf<"refunded">): Escrow {
  const operation = known(state, body.operationId);
  const paid = addFunds(state, required(body.change, "the refund's change"));
  const moved = eachShare(paid, operation.shares, (milestone, amount) => ({
    ...milestone,
    reserved: milestone.reserved - amount,
    refunded: milestone.refunded + amount,
  }));
  return withStatus(moved, operation, Operation_Status.CONFIRMED);
}

export function refundFailed(state: Escrow, body: EventOf<"refundFailed">): Escrow {
  const operation = known(state, body.operationId);
  const confirmed = operation.status === Operation_Status.CONFIRMED;
  if (body.returnedToHeld) {
    const change = required(body.change, "the returned refund's change");
    const from = confirmed ? "refunded" : "reserved";
    const back = counted(returnToHeld(state, operation, change, from), operation, -1n);
    return without(back, body.operationId);
  }
  const owed = confirmed ? reopen(state, operation, body.change) : added(state, body.change);
  return withStatus(owed, operation, Operation_Status.FAILED);
}

/**
 * Standing decisions claim at most what is held: a refund or the bank takes precedence, and the
 * claim shrinks to the rest. One that claims nothing is over.
 */
export function clampStanding(state: Escrow): Escrow {
  const standing = standingReleases(state);
  if (standing.length === 0 && state.milestones.every((m) => m.standing === 0n)) return state;
  const left = new Map(state.milestones.map((m) => [m.milestoneId, m.held]));
  const operations = state.operations.flatMap((operation) => {
    if (!standing.includes(operation)) return [operation];
    const shares = operation.shares.flatMap((share) => claim(share, left));
    return shares.length === 0
      ? []
      : [{ ...operation, shares, amount: sum(shares.map((share) => share.amount)) }];
  });
  const milestones = state.milestones.map((m) => claimed(m, left.get(m.milestoneId) ?? m.held));
  const next = { ...state, operations, milestones };
  return standingReleases(next).length > 0 ? next : unexplained(next);
}

function claim(share: Share, left: Map<string, bigint>): Share[] {
  const there = left.get(share.milestoneId) ?? 0n;
  const amount = min(share.amount, there);
  left.set(share.milestoneId, there - amount);
  return amount > 0n ? [{ ...share, amount }] : [];
}

function claimed(milestone: Milestone, unclaimedHeld: bigint): Milestone {
  const standing = milestone.held - unclaimedHeld;
  return standing === milestone.standing ? milestone : { ...milestone, standing };
}

function unexplained(state: Escrow): Escrow {
  const { releaseBlockedAt: _, ...rest } = state;
  return { ...rest, releaseBlockedReason: "" };
}

/** Claims are computed anew after every event; here they must not be in the way of the request. */
function unclaimed(state: Escrow): Escrow {
  return { ...state, milestones: state.milestones.map((m) => ({ ...m, standing: 0n })) };
}

function reserve(milestone: Milestone, amount: bigint): Milestone {
  return {
    ...milestone,
    held: milestone.held - amount,
    reserved: milestone.reserved + amount,
  };
}

function reservation({ kind, amount, fee }: Operation): FundsChange {
  return kind === Operation_Kind.RELEASE
    ? changeOf({ held: -amount, reserved: amount })
    : changeOf({ held: -amount, fees: -fee, reserved: amount + fee });
}

/** The provider gave back what it had confirmed: it is owed again. */
function reopen(state: Escrow, operation: Operation, change: FundsChange | undefined): Escrow {
  const owed = addFunds(state, required(change, "the failed refund's change"));
  return eachShare(owed, operation.shares, (milestone, amount) => ({
    ...milestone,
    refunded: milestone.refunded - amount,
    reserved: milestone.reserved + amount,
  }));
}

function added(state: Escrow, change: FundsChange | undefined): Escrow {
  return change ? addFunds(state, change) : state;
}

/** Adds (1) or takes off (-1) an operation in the cumulative sums. */
function counted(state: Escrow, { kind, amount, fee }: Operation, sign: 1n | -1n): Escrow {
  return kind === Operation_Kind.RELEASE
    ? {
        ...state,
        releasedGross: state.releasedGross + sign * amount,
        sellerFeeTaken: state.sellerFeeTaken + sign * fee,
      }
    : {
        ...state,
        refundedPrincipal: state.refundedPrincipal + sign * amount,
        buyerFeeReturned: state.buyerFeeReturned + sign * fee,
      };
}

function known(state: Escrow, operationId: string): Operation {
  return required(operationOf(state, operationId), `operation ${operationId}`);
}

function without(state: Escrow, operationId: string): Escrow {
  const operations = state.operations.filter((o) => o.operationId !== operationId);
  return { ...state, operations };
}

function withStatus(state: Escrow, operation: Operation, status: Operation_Status): Escrow {
  const operations = state.operations.map((o) =>
    o.operationId === operation.operationId ? { ...o, status } : o,
  );
  return { ...state, operations };
}
