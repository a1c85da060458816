/**
 * Applies movements of money to an escrow's counters and its milestones. Keeps the conservation
 * equation and "no part is negative", also when a provider's fact crosses a decision that payments
 * has not seen: what the fact takes is then kept as `overdrawn` until payments answers.
 */
import { create } from "@bufbuild/protobuf";
import {
  type Escrow,
  Escrow_Stage,
  type Funds,
  type FundsChange,
  FundsChangeSchema,
  type Milestone,
  type Operation,
  type Share,
  ShareSchema,
} from "#gen/escrow/v1/types_pb";
import { assert } from "#kernel/assert";
import { max, min, sum, takeInOrder } from "#kernel/money";
import { fundsOf, isBlocked, totalOf } from "./escrow.ts";

/** Where a milestone's money can be once it is no longer held or reserved. */
type Gone = "released" | "refunded" | "chargedBack" | "blocked";

const gone: readonly Gone[] = ["chargedBack", "blocked", "refunded", "released"];

export function changeOf(parts: Partial<Omit<FundsChange, "$typeName">>): FundsChange {
  return create(FundsChangeSchema, parts);
}

export function isNothing(change: FundsChange | undefined): boolean {
  if (!change) return true;
  const { funded, pending, held, reserved, released, refunded, fees, chargedBack, blocked } =
    change;
  return [funded, pending, held, reserved, released, refunded, fees, chargedBack, blocked].every(
    (part) => part === 0n,
  );
}

/** Adds a change to the funds; milestones are the caller's. */
export function addFunds(escrow: Escrow, change: FundsChange): Escrow {
  const before = fundsOf(escrow);
  const { overdrawn, feesOverdrawn } = escrow;
  const held = before.held - overdrawn + change.held;
  const fees = before.fees - feesOverdrawn + change.fees;
  const reserved = before.reserved + overdrawn + feesOverdrawn + change.reserved;
  const short = { held: max(-held, 0n), fees: max(-fees, 0n) };
  const funds: Funds = {
    ...before,
    funded: before.funded + change.funded,
    pending: before.pending + change.pending,
    held: held + short.held,
    reserved: reserved - short.held - short.fees,
    released: before.released + change.released,
    refunded: before.refunded + change.refunded,
    fees: fees + short.fees,
    chargedBack: before.chargedBack + change.chargedBack,
    blocked: before.blocked + change.blocked,
  };
  return { ...escrow, funds, overdrawn: short.held, feesOverdrawn: short.fees };
}

/** Changes the milestones that have a share. */
export function eachShare(
  escrow: Escrow,
  shares: readonly Share[],
  move: (milestone: Milestone, amount: bigint) => Milestone,
): Escrow {
  if (shares.length === 0) return escrow;
  const amounts = new Map(shares.map((share) => [share.milestoneId, share.amount]));
  const milestones = escrow.milestones.map((milestone) => {
    const amount = amounts.get(milestone.milestoneId);
    return amount === undefined ? milestone : move(milestone, amount);
  });
  return { ...escrow, milestones };
}

/** What an operation reserved returns to held, less what a fact took meanwhile. */
export function returnToHeld(
  escrow: Escrow,
  operation: Operation,
  change: FundsChange,
  from: "reserved" | "refunded",
): Escrow {
  assert(change.held === operation.amount, "a returned operation gives back what it took");
  const after = addFunds(escrow, change);
  const lost = escrow.overdrawn - after.overdrawn;
  const to: Gone = isBlocked(escrow) ? "blocked" : "chargedBack";
  const losses = takeInOrder(
    lost,
    operation.shares.map((share) => share.amount),
  ).parts;
  const lossOf = new Map(operation.shares.map((share, i) => [share.milestoneId, losses[i] ?? 0n]));
  return eachShare(after, operation.shares, (milestone, amount) => {
    const loss = lossOf.get(milestone.milestoneId) ?? 0n;
    const left = { ...milestone, [from]: milestone[from] - amount };
    return { ...left, held: milestone.held + amount - loss, [to]: left[to] + loss };
  });
}

/** A provider's fact: `shares` say how much of each milestone's held (or blocked) money it moved. */
export function applyFact(
  escrow: Escrow,
  change: FundsChange | undefined,
  shares: readonly Share[],
): Escrow {
  if (!change) return escrow;
  const after = addFunds(escrow, change);
  if (change.held > 0n) {
    const from = gone.filter((part) => change[part] < 0n).concat(gone);
    return eachShare(after, shares, (milestone, amount) => giveBack(milestone, amount, from));
  }
  const to = gone.find((part) => change[part] > 0n) ?? "refunded";
  const part = change.held < 0n ? "held" : "blocked";
  return eachShare(after, shares, (milestone, amount) => {
    const left = { ...milestone, [part]: milestone[part] - amount };
    return { ...left, [to]: left[to] + amount };
  });
}

/** How a fact's movement of held (or surrendered blocked) money falls on the milestones. */
export function spread(escrow: Escrow, change: FundsChange | undefined): Share[] {
  if (!change) return [];
  if (change.held > 0n) return spreadGiven(escrow, change);
  if (change.held < 0n) return sharesInOrder(escrow, -change.held, (m) => m.held);
  if (change.blocked < 0n) return sharesInOrder(escrow, -change.blocked, (m) => m.blocked);
  return [];
}

/** `amount` taken from the milestones in their order, as much of each as `available` allows. */
export function sharesInOrder(
  escrow: Escrow,
  amount: bigint,
  available: (milestone: Milestone) => bigint,
): Share[] {
  const { parts } = takeInOrder(amount, escrow.milestones.map(available));
  return toShares(escrow, parts);
}

/** Throws when the counters contradict each other: such a state is never stored. */
export function assertBalanced(escrow: Escrow): void {
  const { funded, ...funds } = fundsOf(escrow);
  const { pending, held, reserved, released, refunded, fees, chargedBack, blocked } = funds;
  const parts = [pending, held, reserved, released, refunded, fees, chargedBack, blocked];
  assert(
    parts.every((part) => part >= 0n),
    "no part of the funds is negative",
  );
  assert(funded === sum(parts), "funded equals the sum of its parts");
  assert(held === totalOf(escrow, (m) => m.held), "held equals the milestones' held");
  for (const milestone of escrow.milestones) assertMilestone(escrow, milestone);
}

function assertMilestone(escrow: Escrow, m: Milestone): void {
  const parts = [m.held, m.reserved, m.released, m.refunded, m.chargedBack, m.blocked];
  assert(
    parts.every((part) => part >= 0n),
    `no part of milestone ${m.milestoneId} is negative`,
  );
  assert(m.standing >= 0n && m.standing <= m.held, "a standing decision claims held money");
  const total = sum(parts);
  const whole = escrow.stage === Escrow_Stage.ACTIVE ? total === m.amount : total <= m.amount;
  assert(whole, `the parts of milestone ${m.milestoneId} are its amount`);
}

function spreadGiven(escrow: Escrow, change: FundsChange): Share[] {
  const given = change.held - min(change.held, escrow.overdrawn);
  const source = gone.find((part) => change[part] < 0n);
  const room = (m: Milestone) => m.amount - m.held - m.reserved;
  const first = takeInOrder(
    given,
    escrow.milestones.map((m) => (source ? m[source] : 0n)),
  );
  const second = takeInOrder(
    first.rest,
    escrow.milestones.map((m, i) => room(m) - (first.parts[i] ?? 0n)),
  );
  assert(second.rest === 0n, "money comes back to a milestone it left");
  return toShares(
    escrow,
    first.parts.map((part, i) => part + (second.parts[i] ?? 0n)),
  );
}

function toShares(escrow: Escrow, parts: readonly bigint[]): Share[] {
  return escrow.milestones.flatMap(({ milestoneId }, i) => {
    const amount = parts[i] ?? 0n;
    return amount > 0n ? [create(ShareSchema, { milestoneId, amount })] : [];
  });
}

function giveBack(milestone: Milestone, amount: bigint, from: readonly Gone[]): Milestone {
  let rest = amount;
  const next = { ...milestone, held: milestone.held + amount };
  for (const part of from) {
    const taken = min(rest, next[part]);
    next[part] -= taken;
    rest -= taken;
  }
  return next;
}
