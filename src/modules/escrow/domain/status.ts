/**
 * The escrow's state word and standing. The word is derived, first match; it is shown, and nothing
 * is decided by it.
 */
import { create } from "@bufbuild/protobuf";
import {
  type Escrow,
  Escrow_Stage,
  type EscrowStatus,
  type EscrowStatus_State,
  EscrowStatusSchema,
  Lock_Kind,
  Operation_Kind,
  Operation_Status,
  ReleaseBlockedSchema,
  EscrowStatus_State as State,
} from "#gen/escrow/v1/types_pb";
import {
  disputeOn,
  fundsOf,
  hasLock,
  inside,
  isBlocked,
  isEmpty,
  standingReleases,
  totalOf,
} from "./escrow.ts";

export function statusOf(escrow: Escrow): EscrowStatus {
  const blocked = standingReleases(escrow).length > 0;
  return create(EscrowStatusSchema, {
    state: stateOf(escrow),
    funds: fundsOf(escrow),
    milestones: escrow.milestones,
    locks: escrow.locks,
    timers: escrow.timers,
    ...(blocked && {
      releaseBlocked: create(ReleaseBlockedSchema, {
        reason: escrow.releaseBlockedReason,
        ...(escrow.releaseBlockedAt && { since: escrow.releaseBlockedAt }),
      }),
    }),
    refundFailed: hasOperation(escrow, Operation_Kind.REFUND, Operation_Status.FAILED),
    buyerAccepted: escrow.buyerAccepted,
    sellerAccepted: escrow.sellerAccepted,
    offers: escrow.offers,
    cancelRequestedBy: escrow.cancelRequestedBy,
  });
}

export function stateOf(escrow: Escrow): EscrowStatus_State {
  if (isBlocked(escrow)) return State.BLOCKED;
  switch (escrow.stage) {
    case Escrow_Stage.PROPOSED:
      return State.PROPOSED;
    case Escrow_Stage.AWAIT_FUNDS:
      return State.AWAIT_FUNDS;
    case Escrow_Stage.CANCELLED:
      return State.CANCELLED;
    case Escrow_Stage.ACTIVE:
      return activeState(escrow);
    case Escrow_Stage.UNSPECIFIED:
      throw new Error("an escrow without a stage");
    default:
      return escrow.stage satisfies never;
  }
}

/** Is everything decided and confirmed: nothing left to move, no bank dispute open? */
export function isSettled(escrow: Escrow): boolean {
  return (
    escrow.stage === Escrow_Stage.ACTIVE &&
    !isBlocked(escrow) &&
    !hasLock(escrow, Lock_Kind.CHARGEBACK) &&
    isEmpty(fundsOf(escrow))
  );
}

function activeState(escrow: Escrow): EscrowStatus_State {
  const funds = fundsOf(escrow);
  if (hasLock(escrow, Lock_Kind.CHARGEBACK)) return State.FROZEN;
  if (isDisputed(escrow)) return State.DISPUTED;
  if (hasOperation(escrow, Operation_Kind.RELEASE, Operation_Status.IN_FLIGHT)) {
    return State.RELEASING;
  }
  if (isRefunding(escrow)) return State.REFUNDING;
  if (standingReleases(escrow).length > 0) return State.RELEASE_BLOCKED;
  if (isEmpty(funds)) return outcomeOf(escrow);
  if (funds.held > 0n) {
    const waiting = escrow.milestones.some((m) => m.held > 0n && !m.delivered);
    return waiting ? State.FUNDS_HELD : State.DELIVERED;
  }
  // Only money that was never the escrow's is left: an excess that goes back to the buyer.
  return State.REFUNDING;
}

function outcomeOf(escrow: Escrow): EscrowStatus_State {
  const ends = [
    { state: State.RELEASED, total: totalOf(escrow, (m) => m.released) },
    { state: State.REFUNDED, total: totalOf(escrow, (m) => m.refunded) },
    { state: State.CHARGED_BACK, total: totalOf(escrow, (m) => m.chargedBack) },
  ].filter(({ total }) => total > 0n);
  const [only] = ends;
  return only && ends.length === 1 ? only.state : State.CLOSED;
}

function isDisputed(escrow: Escrow): boolean {
  return escrow.milestones.some((m) => inside(m) > 0n && disputeOn(escrow, m.milestoneId));
}

function isRefunding(escrow: Escrow): boolean {
  return (
    hasOperation(escrow, Operation_Kind.REFUND, Operation_Status.IN_FLIGHT) ||
    hasOperation(escrow, Operation_Kind.REFUND, Operation_Status.FAILED)
  );
}

function hasOperation(escrow: Escrow, kind: Operation_Kind, status: Operation_Status): boolean {
  return escrow.operations.some((o) => o.kind === kind && o.status === status);
}
