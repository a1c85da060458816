/**
 * Questions about an escrow that decide, status and timers all ask. Answers come from the counters
 * and locks, never from the state word.
 */
import {
  type Escrow,
  type Funds,
  type Lock,
  Lock_Kind,
  type Milestone,
  type Operation,
  Operation_Kind,
  Operation_Status,
  type Terms,
} from "#gen/escrow/v1/types_pb";
import { required } from "#kernel/assert";
import { type Currency, currencyOf, sum } from "#kernel/money";

export function fundsOf(escrow: Escrow): Funds {
  return required(escrow.funds, "the escrow's funds");
}

export function termsOf(escrow: Escrow): Terms {
  return required(escrow.terms, "the escrow's terms");
}

export function amountOf(escrow: Escrow): bigint {
  return required(termsOf(escrow).amount, "the terms' amount").amount;
}

export function currencyRow(escrow: Escrow): Currency {
  const code = required(termsOf(escrow).amount, "the terms' amount").currency;
  return required(currencyOf(code), `currency ${code}`);
}

/** Held money that no standing release decision claims. */
export function free(milestone: Milestone): bigint {
  return milestone.held - milestone.standing;
}

/** Money of the milestone that is still in the escrow's hands. */
export function inside(milestone: Milestone): bigint {
  return milestone.held + milestone.reserved + milestone.blocked;
}

export function hasLock({ locks }: { locks: readonly Lock[] }, ...kinds: Lock_Kind[]): boolean {
  return locks.some((lock) => kinds.includes(lock.kind));
}

export function disputeOn(
  escrow: { locks: readonly Lock[] },
  milestoneId: string,
): Lock | undefined {
  return escrow.locks.find(
    (lock) => lock.kind === Lock_Kind.DISPUTE && lock.milestoneId === milestoneId,
  );
}

/** Sanctions or a chargeback: nothing leaves, whoever asks. */
export function isFrozen(escrow: Escrow): boolean {
  return hasLock(escrow, Lock_Kind.CHARGEBACK) || isBlocked(escrow);
}

/** The block lasts until the money left the blocked account, not only until two operators said so. */
export function isBlocked({
  locks,
  funds,
}: {
  locks: readonly Lock[];
  funds?: Funds | undefined;
}): boolean {
  return hasLock({ locks }, Lock_Kind.SANCTIONS) || (funds?.blocked ?? 0n) > 0n;
}

export function standingReleases(escrow: Escrow): readonly Operation[] {
  return escrow.operations.filter(
    (operation) =>
      operation.kind === Operation_Kind.RELEASE && operation.status === Operation_Status.BLOCKED,
  );
}

export function operationOf(escrow: Escrow, operationId: string): Operation | undefined {
  return escrow.operations.find((operation) => operation.operationId === operationId);
}

/** Nothing pending, held, reserved or blocked. */
export function isEmpty({ pending, held, reserved, blocked }: Funds): boolean {
  return pending + held + reserved + blocked === 0n;
}

export function totalOf(
  escrow: { milestones: readonly Milestone[] },
  part: (milestone: Milestone) => bigint,
): bigint {
  return sum(escrow.milestones.map(part));
}
