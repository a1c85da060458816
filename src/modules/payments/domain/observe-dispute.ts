/**
 * What follows from a bank's dispute as it stands now. Pure and monotone: each movement is booked
 * once, by its id; the status alone decides the outcome. The escrow is told first, then money moves,
 * so that nothing is decided on what the bank has taken.
 */
import { create } from "@bufbuild/protobuf";
import {
  ChargebackClosedSchema,
  ChargebackOpenedSchema,
  ForeignMovementSeenSchema,
  RiskClosedSchema,
  RiskOpenedSchema,
} from "#gen/payments/v1/events_pb";
import { min } from "#kernel/money";
import * as post from "../ledger/post.ts";
import {
  disputeReinstated,
  disputeSettled,
  disputeTaken,
  foreignReversal,
  type Sources,
  type TakenFrom,
  writeOffUndone,
} from "../ledger/post-dispute.ts";
import type {
  DisputeMovement,
  ForeignMovement,
  ProviderDispute,
  ProviderWarning,
} from "../provider.ts";
import { type BankCase, continueCase, openCase, type Surroundings } from "./bank-case.ts";
import { Contradiction } from "./contradiction.ts";
import { writeOffReference } from "./debt-book.ts";
import { assertExplained, type Dispute, freezes, newDispute } from "./dispute.ts";
import { placesOfOpen, placesOfReturned, placesOfTaken, type Situation } from "./dispute-shares.ts";
import { type Effect, postFor, say } from "./effect.ts";
import { settlePending } from "./observe.ts";
import type { Payment } from "./payment.ts";
import { netted, reverseTransfers, transferAnew, withdrawReversals } from "./reversal.ts";
import { withdrawUnsent } from "./withdraw.ts";

export interface DisputeSurroundings extends Surroundings {
  /** What of the dispute's debt was forgiven; minor units. */
  readonly writtenOff: bigint;
}

export function disputeSeen(
  payment: Payment,
  object: ProviderDispute,
  around: DisputeSurroundings,
): readonly Effect[] {
  assertCurrency(payment, object);
  const bankCase = openCase(payment, around);
  const { objectId: disputeId, status, amount, reason, evidenceDueBy: dueBy } = object;
  const known = bankCase.dispute(disputeId);
  const stated = { status, amount, reason, dueBy };
  const dispute = known
    ? { ...known, ...stated }
    : newDispute({ ...stated, disputeId, kind: "DISPUTE" });
  if (known === undefined || !isSame(known, dispute)) record(bankCase, dispute);
  if (known?.status !== status) tell(bankCase, dispute);
  let forgiven = around.writtenOff;
  for (const movement of object.movements)
    forgiven -= book(bankCase, disputeId, movement, forgiven);
  settleDisputes(bankCase);
  return bankCase.effects;
}

export function warningSeen(
  payment: Payment,
  { objectId: disputeId, open }: ProviderWarning,
  around: Surroundings,
): readonly Effect[] {
  const bankCase = openCase(payment, around);
  const status = open ? "inquiry" : "inquiry_closed";
  const stated = { status, amount: 0n, reason: "FRAUD_WARNING", dueBy: undefined } as const;
  const known = bankCase.dispute(disputeId);
  const dispute = known ?? newDispute({ ...stated, disputeId, kind: "WARNING" });
  record(bankCase, { ...dispute, status });
  // Told once: an operator may have set it aside since.
  if (open && known?.status !== status) tell(bankCase, { ...dispute, status });
  settleDisputes(bankCase);
  return bankCase.effects;
}

/**
 * Money somebody else moved: booked once, by the object's id, when it succeeded; nothing leaves until
 * one has looked. What failed later is booked back, and leaves the sale as it was.
 */
export function foreignSeen(
  payment: Payment,
  object: ForeignMovement,
  around: Surroundings,
): readonly Effect[] {
  assertCurrency(payment, object);
  const bankCase = openCase(payment, around);
  if (object.movement === "reversal") foreignReversalSeen(bankCase, object);
  else foreignRefundSeen(bankCase, object);
  return bankCase.effects;
}

/** It stands from the moment it succeeded. */
function foreignReversalSeen(bankCase: BankCase, object: ForeignMovement): void {
  const { objectId: disputeId, amount, status } = object;
  if (status !== "succeeded" || bankCase.dispute(disputeId) !== undefined) return;
  openForeign(bankCase, object);
  bankCase.add(postFor({ disputeId }, foreignReversal(bankCase.payment().provider, amount)));
  settleDisputes(bankCase);
}

function foreignRefundSeen(bankCase: BankCase, object: ForeignMovement): void {
  const { objectId: disputeId, amount, status } = object;
  const known = bankCase.dispute(disputeId);
  if (known === undefined && status === "failed") return;
  if (known === undefined) openForeign(bankCase, object);
  const movement = { movementId: disputeId, direction: "taken", amount, fee: 0n } as const;
  const booked = known?.movements.has(movement.movementId) === true;
  if (status === "succeeded" && !booked) {
    // It may have been cleared while it was pending.
    if (known?.lock === "NONE") tell(bankCase, { ...known, status: "open" });
    book(bankCase, disputeId, movement, 0n);
  }
  if (status === "failed" && known !== undefined) foreignFailed(bankCase, known);
  settleDisputes(bankCase);
}

function foreignFailed(bankCase: BankCase, dispute: Dispute): void {
  const { disputeId, taken, reinstated } = dispute;
  if (dispute.status === "won") return;
  record(bankCase, { ...dispute, status: "won" });
  const amount = taken - reinstated;
  if (amount === 0n) return;
  const movementId = `${disputeId}:failed`;
  book(bankCase, disputeId, { movementId, direction: "reinstated", amount, fee: 0n }, 0n);
}

function openForeign(bankCase: BankCase, object: ForeignMovement): void {
  const { objectId: disputeId, movement, amount, currency } = object;
  const kind = movement === "refund" ? "FOREIGN_REFUND" : "FOREIGN_REVERSAL";
  const reason = "FOREIGN_MOVEMENT";
  const stated = { status: "open", amount, reason, dueBy: undefined } as const;
  const foreign = newDispute({ ...stated, disputeId, kind });
  record(bankCase, foreign);
  tell(bankCase, foreign);
  const value = create(ForeignMovementSeenSchema, { kind: movement, amount, currency });
  bankCase.add(say({ case: "foreignMovementSeen", value }));
}

/** An operator has looked at what somebody else moved; undefined: there is nothing to look at. */
export function foreignCleared(
  payment: Payment,
  disputeId: string,
  around: Surroundings,
): readonly Effect[] | undefined {
  const bankCase = openCase(payment, around);
  const dispute = bankCase.dispute(disputeId);
  if (dispute === undefined || !isForeign(dispute) || dispute.lock === "NONE") return undefined;
  record(bankCase, { ...dispute, status: "lost" });
  settleDisputes(bankCase);
  return bankCase.effects;
}

/** An operator has set an inquiry or a warning aside: deadlines go on. What the provider says of it stays. */
export function riskSetAside(
  payment: Payment,
  disputeId: string,
  around: Surroundings,
): readonly Effect[] | undefined {
  const bankCase = openCase(payment, around);
  const dispute = bankCase.dispute(disputeId);
  if (dispute?.lock !== "RISK") return undefined;
  endRisk(bankCase, dispute);
  return bankCase.effects;
}

/** After an operation of a frozen payment had its outcome, `done`: what waited for it is settled. */
export function whileFrozen(
  payment: Payment,
  done: readonly Effect[],
  around: Surroundings,
): readonly Effect[] {
  if (!payment.frozen) return done;
  const bankCase = continueCase(payment, done, around);
  settleDisputes(bankCase);
  return bankCase.effects;
}

/** The escrow is stopped before anything of its money is touched. */
function tell(bankCase: BankCase, dispute: Dispute): void {
  const { disputeId, amount, status, lock } = dispute;
  if (status === "inquiry" && lock === "NONE") {
    record(bankCase, { ...dispute, lock: "RISK" });
    const value = create(RiskOpenedSchema, { reference: disputeId });
    bankCase.add(say({ case: "riskOpened", value }));
  }
  if (status === "inquiry" || status === "inquiry_closed" || lock === "CHARGEBACK") return;
  record(bankCase, { ...dispute, lock: "CHARGEBACK" });
  const value = create(ChargebackOpenedSchema, { disputeId, amount, inquiry: false });
  bankCase.add({ case: "set", fields: { frozen: true } }, say({ case: "chargebackOpened", value }));
}

/** Answers how much of what was written off it undid. */
function book(
  bankCase: BankCase,
  disputeId: string,
  movement: DisputeMovement,
  writtenOff: bigint,
): bigint {
  const dispute = bankCase.dispute(disputeId);
  if (dispute === undefined || dispute.movements.has(movement.movementId)) return 0n;
  const { provider } = bankCase.payment();
  let undone = 0n;
  if (movement.direction === "taken") take(bankCase, dispute, movement);
  else undone = giveBack(bankCase, dispute, movement, writtenOff);
  if (movement.fee !== 0n) {
    bankCase.add(postFor({ disputeId }, post.providerFeeKnown(provider, movement.fee)));
  }
  return undone;
}

function take(bankCase: BankCase, dispute: Dispute, movement: DisputeMovement): void {
  // Money that is on its way could leave while the bank takes it: a second loss.
  stopLeaving(bankCase);
  const { amount } = movement;
  const { open, ...sources } = placesOfTaken(amount, situationOf(bankCase));
  const from = takenFrom(bankCase.payment(), dispute);
  const transaction = disputeTaken(from, amount, sources);
  bankCase.add(postFor(dispute, transaction, transaction.change));
  const next = withSources({ ...dispute, taken: dispute.taken + amount }, sources);
  move(bankCase, { ...next, open: next.open + open }, movement);
  owe(bankCase, sources.debt);
}

function giveBack(
  bankCase: BankCase,
  dispute: Dispute,
  movement: DisputeMovement,
  writtenOff: bigint,
): bigint {
  const { amount } = movement;
  const { sellerId } = bankCase.payment();
  const { borne, open, ...places } = placesOfReturned(amount, dispute, situationOf(bankCase));
  const undone = min(writtenOff, borne);
  forgiveNot(bankCase, dispute, undone);
  const debt = min(borne, bankCase.owed());
  const payable = borne - debt;
  const returned = { ...places, debt, payable };
  const from = takenFrom(bankCase.payment(), dispute);
  const transaction = disputeReinstated(from, amount, returned);
  bankCase.add(postFor(dispute, transaction, transaction.change), ...netted(sellerId, debt));
  const next = withSources({ ...dispute, reinstated: dispute.reinstated + amount }, returned, -1n);
  move(bankCase, { ...next, open: next.open - open, payable: next.payable + payable }, movement);
  withdrawReversals(bankCase, debt);
  const { sellerAccount, now } = bankCase;
  bankCase.add(...transferAnew(bankCase.payment(), payable, sellerAccount, now));
  return undone;
}

/** The platform bore it and has it again: the seller, who was forgiven, is not paid for it. */
function forgiveNot(bankCase: BankCase, { disputeId }: Dispute, amount: bigint): void {
  if (amount === 0n) return;
  const { sellerId } = bankCase.payment();
  const reference = { operationId: writeOffReference(disputeId) };
  bankCase.add(postFor(reference, writeOffUndone(sellerId, amount)), ...netted(sellerId, -amount));
}

/** Settles what waited, withdraws what cannot go, and ends what the bank has decided. */
function settleDisputes(bankCase: BankCase): void {
  if (bankCase.disputes().some(freezes)) stopLeaving(bankCase);
  for (const { disputeId } of bankCase.disputes()) settleOpen(bankCase, disputeId);
  for (const dispute of bankCase.disputes()) end(bankCase, dispute);
  const frozen = bankCase.disputes().some(freezes);
  const before = bankCase.payment().frozen;
  if (frozen !== before) bankCase.add({ case: "set", fields: { frozen } });
  if (before && !frozen) bankCase.add(...settlePending(bankCase.payment(), bankCase.now));
}

function settleOpen(bankCase: BankCase, disputeId: string): void {
  const dispute = bankCase.dispute(disputeId);
  if (dispute === undefined || dispute.open === 0n) return;
  const sources = placesOfOpen(dispute, situationOf(bankCase));
  const settled = sources.fees + sources.pending + sources.held + sources.debt + sources.losses;
  if (settled === 0n) return;
  const transaction = disputeSettled(takenFrom(bankCase.payment(), dispute), sources);
  bankCase.add(postFor(dispute, transaction, transaction.change));
  record(bankCase, { ...withSources(dispute, sources), open: dispute.open - settled });
  owe(bankCase, sources.debt);
}

function end(bankCase: BankCase, dispute: Dispute): void {
  const { disputeId, lock, taken, reinstated } = dispute;
  if (lock === "NONE" || !isOver(dispute, bankCase.disputes())) return;
  if (lock === "RISK") {
    endRisk(bankCase, dispute);
    return;
  }
  const foreign = isForeign(dispute);
  // Of what somebody else moved "lost" says that it was looked at: the escrow is told that it may go on.
  const status = foreign && dispute.status !== "won" ? "lost" : dispute.status;
  record(bankCase, { ...dispute, lock: "NONE", status });
  const won = foreign || dispute.status !== "lost";
  const value = create(ChargebackClosedSchema, { disputeId, won, amount: taken - reinstated });
  bankCase.add(say({ case: "chargebackClosed", value }));
}

function endRisk(bankCase: BankCase, dispute: Dispute): void {
  record(bankCase, { ...dispute, lock: "NONE" });
  const value = create(RiskClosedSchema, { reference: dispute.disputeId });
  bankCase.add(say({ case: "riskClosed", value }));
}

/**
 * The bank has decided, and the money is where that says: what is in flight has its outcome, what
 * was won is back, what the provider gave to the buyer is booked. Until then nothing leaves.
 */
function isOver(dispute: Dispute, all: readonly Dispute[]): boolean {
  const { status, open, taken, reinstated, amount } = dispute;
  // It failed, an operator has looked, or a dispute of this payment says why it was made.
  if (isForeign(dispute)) {
    const explained = all.some((each) => each.status === "prevented" && !isForeign(each));
    if (status === "won") return open === 0n && reinstated >= taken;
    return open === 0n && (status === "lost" || explained);
  }
  switch (status) {
    case "inquiry":
    case "open":
      return false;
    case "inquiry_closed":
      return true;
    case "lost":
      return open === 0n;
    case "won":
      return open === 0n && reinstated >= taken;
    case "prevented": {
      const given = all
        .filter(({ kind }) => kind === "FOREIGN_REFUND")
        .reduce((total, refund) => total + refund.taken - refund.reinstated, 0n);
      return open === 0n && given + taken - reinstated >= amount;
    }
    default:
      return status satisfies never;
  }
}

function isForeign({ kind }: Dispute): boolean {
  return kind === "FOREIGN_REFUND" || kind === "FOREIGN_REVERSAL";
}

function owe(bankCase: BankCase, debt: bigint): void {
  if (debt === 0n) return;
  bankCase.add(...netted(bankCase.payment().sellerId, -debt));
  reverseTransfers(bankCase, debt);
}

/** Nothing leaves from here on, and what was not sent is withdrawn. */
function stopLeaving(bankCase: BankCase): void {
  if (!bankCase.payment().frozen) bankCase.add({ case: "set", fields: { frozen: true } });
  withdrawUnsent(bankCase);
}

function withSources(dispute: Dispute, sources: Sources, sign: 1n | -1n = 1n): Dispute {
  const { fees, pending, held, debt, losses } = sources;
  return {
    ...dispute,
    fees: dispute.fees + sign * fees,
    pending: dispute.pending + sign * pending,
    held: dispute.held + sign * held,
    debt: dispute.debt + sign * debt,
    losses: dispute.losses + sign * losses,
  };
}

function move(bankCase: BankCase, dispute: Dispute, movement: DisputeMovement): void {
  const { disputeId } = dispute;
  const movements = new Set([...dispute.movements, movement.movementId]);
  const next = assertExplained({ ...dispute, movements });
  bankCase.add({ case: "disputed", dispute: next, movement: { ...movement, disputeId } });
}

function assertCurrency(payment: Payment, object: ProviderDispute | ForeignMovement): void {
  const { objectId, currency } = object;
  if (currency === payment.currency) return;
  throw new Contradiction(`${objectId} is of ${currency}, the payment of ${payment.currency}`);
}

function record(bankCase: BankCase, dispute: Dispute): void {
  bankCase.add({ case: "disputed", dispute: assertExplained(dispute), movement: undefined });
}

function isSame(known: Dispute, next: Dispute): boolean {
  return (
    known.status === next.status &&
    known.amount === next.amount &&
    known.reason === next.reason &&
    known.dueBy?.getTime() === next.dueBy?.getTime()
  );
}

function takenFrom({ provider, sellerId }: Payment, { disputeId, kind }: Dispute): TakenFrom {
  const counter = kind === "FOREIGN_REFUND" ? "refunded" : "chargedBack";
  return { provider, sellerId, disputeId, counter };
}

function situationOf(bankCase: BankCase): Situation {
  return {
    payment: bankCase.payment(),
    disputes: bankCase.disputes(),
    operations: bankCase.operations(),
  };
}
