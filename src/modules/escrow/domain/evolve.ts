/**
 * Folds one event into the escrow. Never judges: an event was accepted once, so one that does not
 * fit is corruption and throws. The result shares structure with the state before and is balanced.
 */
import { create } from "@bufbuild/protobuf";
import type { EscrowUnblocked } from "#gen/escrow/v1/events_pb";
import {
  type Escrow,
  Escrow_Stage,
  EscrowSchema,
  FundsSchema,
  type Lock,
  Lock_Kind,
  type Milestone,
  MilestoneSchema,
  type SettlementOffer,
  type Terms,
  type Timer,
  Timer_Kind,
} from "#gen/escrow/v1/types_pb";
import { assert } from "#kernel/assert";
import { addFunds, applyFact, assertBalanced } from "./funds.ts";
import type { EventBody, EventMeta, EventOf } from "./messages.ts";
import * as operations from "./operations.ts";

export function evolve(state: Escrow | undefined, body: EventBody, meta: EventMeta): Escrow {
  const next = state ? changed(state, body, meta) : born(body, meta);
  assertBalanced(next);
  return next;
}

function born(body: EventBody, meta: EventMeta): Escrow {
  assert(body.case === "created", `${body.case} of an unknown escrow`);
  const { value } = body;
  assert(value.terms !== undefined, "an escrow has terms");
  const { reference, metadata, statementDescriptorSuffix, createdBy, serviceId, terms } = value;
  return create(EscrowSchema, {
    escrowId: meta.escrowId,
    version: 1n,
    stage: Escrow_Stage.PROPOSED,
    terms,
    termsHash: value.termsHash,
    buyerAccepted: value.buyerAccepted,
    sellerAccepted: value.sellerAccepted,
    funds: create(FundsSchema),
    milestones: milestonesOf(terms),
    ...timersPart(undefined, value.timers),
    createdBy,
    serviceId,
    createdAt: meta.occurredAt,
    reference,
    metadata,
    statementDescriptorSuffix,
  });
}

function changed(state: Escrow, body: EventBody, meta: EventMeta): Escrow {
  const moved = operations.clampStanding(apply(state, body, meta));
  const timers = "timers" in body.value ? timersPart(state, body.value.timers) : undefined;
  return { ...moved, ...timers, version: state.version + 1n };
}

function apply(state: Escrow, body: EventBody, meta: EventMeta): Escrow {
  switch (body.case) {
    case "created":
      throw new Error(`escrow ${meta.escrowId} exists already`);
    case "termsAccepted":
      return accepted(state, body.value.acceptedBy);
    case "awaitFunds":
      return { ...state, stage: Escrow_Stage.AWAIT_FUNDS };
    case "paymentOpened":
      return { ...state, paymentId: body.value.paymentId };
    case "paymentProcessing":
      return { ...state, paymentProcessing: body.value.processing };
    case "fundsHeld":
      return fundsHeld(state, body.value);
    case "delivered":
      return delivered(state, body.value, meta);
    case "cancelRequested":
      return { ...state, cancelRequestedBy: body.value.requestedBy };
    case "cancelled":
      return { ...state, stage: Escrow_Stage.CANCELLED, paymentProcessing: false, timers: [] };
    case "deadlinePassed":
      return dropTimer(state, (t) => isDeadline(t, body.value));
    case "deadlineApproaching":
      return dropTimer(state, (t) => isReminder(t, body.value));
    case "termsAmendmentProposed":
      return proposed(state, body.value);
    case "termsAmended":
      return amended(state, body.value);
    case "settlementOffered":
      return offered(state, body.value.offer);
    case "evidenceAdded":
      return state;
    case "closed":
      return { ...state, timers: [], offers: [], cancelRequestedBy: "" };
    default:
      return applyMoney(state, body, meta);
  }
}

type MoneyBody = Exclude<EventBody, { case: LifecycleCase }>;
type LifecycleCase =
  | "created"
  | "termsAccepted"
  | "awaitFunds"
  | "paymentOpened"
  | "paymentProcessing"
  | "fundsHeld"
  | "delivered"
  | "cancelRequested"
  | "cancelled"
  | "deadlinePassed"
  | "deadlineApproaching"
  | "termsAmendmentProposed"
  | "termsAmended"
  | "settlementOffered"
  | "evidenceAdded"
  | "closed";

function applyMoney(state: Escrow, body: MoneyBody, meta: EventMeta): Escrow {
  switch (body.case) {
    case "releaseRequested":
      return operations.requested(state, body.value.operation);
    case "releaseResumed":
      return operations.resumed(state, body.value);
    case "released":
      return operations.released(state, body.value);
    case "releaseBlocked":
      return operations.blocked(state, body.value, meta.occurredAt);
    case "refundRequested":
      return operations.requested(state, body.value.operation);
    case "refunded":
      return operations.refunded(state, body.value);
    case "refundFailed":
      return operations.refundFailed(state, body.value);
    case "fundsChanged":
      return applyFact(state, body.value.change, body.value.shares);
    case "disputed":
      return { ...state, locks: [...state.locks, ...body.value.locks] };
    case "disputeWithdrawn":
      return undispute(state, body.value.milestoneIds);
    case "disputeResolved":
      return { ...undispute(state, body.value.milestoneIds), offers: [] };
    case "frozen":
    case "blocked":
      return lock(applyFact(state, body.value.change, body.value.shares), body.value.lock);
    case "unfrozen":
    case "chargedBack":
      return unlock(
        applyFact(state, body.value.change, body.value.shares),
        Lock_Kind.CHARGEBACK,
        body.value.reference,
      );
    case "unblocked":
      return { ...state, locks: state.locks.filter((lock) => !isLifted(lock, body.value)) };
    case "reviewOpened":
    case "riskHeld":
      return lock(state, body.value.lock);
    case "reviewClosed":
      return unlock(state, Lock_Kind.REVIEW, body.value.reference);
    case "riskCleared":
      return unlock(state, Lock_Kind.RISK, body.value.reference);
    default:
      return body satisfies never;
  }
}

function milestonesOf(terms: Terms): Milestone[] {
  return terms.milestones.map(({ milestoneId, title, amount }) =>
    create(MilestoneSchema, { milestoneId, amount, ...(title && { title }) }),
  );
}

function accepted(state: Escrow, by: string): Escrow {
  const { terms } = state;
  return {
    ...state,
    buyerAccepted: state.buyerAccepted || by === terms?.buyerId,
    sellerAccepted: state.sellerAccepted || by === terms?.sellerId,
  };
}

function fundsHeld(state: Escrow, { paymentId, change }: EventOf<"fundsHeld">): Escrow {
  assert(change !== undefined, "funding moves money");
  const milestones = state.milestones.map((m) => ({ ...m, held: m.amount }));
  const funded: Escrow = { ...state, stage: Escrow_Stage.ACTIVE, paymentId, milestones };
  return addFunds({ ...funded, paymentProcessing: false }, change);
}

function delivered(state: Escrow, body: EventOf<"delivered">, meta: EventMeta): Escrow {
  const shares = new Set(body.milestoneIds);
  const milestones = state.milestones.map((m) =>
    shares.has(m.milestoneId) ? { ...m, delivered: true, deliveredAt: meta.occurredAt } : m,
  );
  return { ...state, milestones };
}

function proposed(state: Escrow, body: EventOf<"termsAmendmentProposed">): Escrow {
  assert(body.terms !== undefined, "a proposal has terms");
  return {
    ...state,
    proposedTerms: body.terms,
    proposedTermsBy: body.proposedBy,
    proposedTermsHash: body.termsHash,
  };
}

function amended(state: Escrow, { terms, termsHash }: EventOf<"termsAmended">): Escrow {
  assert(terms !== undefined, "an amendment has terms");
  const { proposedTerms: _, ...rest } = state;
  return {
    ...rest,
    terms,
    termsHash,
    buyerAccepted: true,
    sellerAccepted: true,
    proposedTermsBy: "",
    proposedTermsHash: "",
    milestones:
      state.stage === Escrow_Stage.PROPOSED ? milestonesOf(terms) : retitled(state, terms),
  };
}

function retitled(state: Escrow, terms: Terms): Milestone[] {
  const titles = new Map(terms.milestones.map((m) => [m.milestoneId, m.title]));
  return state.milestones.map(({ title: _, ...milestone }) => {
    const title = titles.get(milestone.milestoneId);
    return title ? { ...milestone, title } : milestone;
  });
}

function offered(state: Escrow, offer: SettlementOffer | undefined): Escrow {
  assert(offer !== undefined, "an offer is told");
  const others = state.offers.filter(
    (o) => o.offeredBy !== offer.offeredBy || o.milestoneId !== offer.milestoneId,
  );
  return { ...state, offers: [...others, offer] };
}

function lock(state: Escrow, opened: Lock | undefined): Escrow {
  assert(opened !== undefined, "a lock is told");
  return { ...state, locks: [...state.locks, opened] };
}

function unlock(state: Escrow, kind: Lock_Kind, reference: string): Escrow {
  const locks = state.locks.filter((l) => l.kind !== kind || l.reference !== reference);
  return { ...state, locks };
}

function undispute(state: Escrow, milestoneIds: readonly string[]): Escrow {
  const locks = state.locks.filter(
    (l) => l.kind !== Lock_Kind.DISPUTE || !milestoneIds.includes(l.milestoneId),
  );
  return { ...state, locks };
}

function isDeadline(timer: Timer, { kind, milestoneId }: EventOf<"deadlinePassed">): boolean {
  const named = timer.kind === Timer_Kind.REMINDER ? timer.announces : timer.kind;
  return named === kind && timer.milestoneId === milestoneId;
}

function isReminder(timer: Timer, body: EventOf<"deadlineApproaching">): boolean {
  return (
    timer.kind === Timer_Kind.REMINDER &&
    timer.announces === body.kind &&
    timer.milestoneId === body.milestoneId &&
    timer.before === body.before
  );
}

function dropTimer(state: Escrow, matches: (timer: Timer) => boolean): Escrow {
  return { ...state, timers: state.timers.filter((timer) => !matches(timer)) };
}

/** The array keeps its identity while no timer moved: the store then leaves the rows alone. */
function timersPart(state: Escrow | undefined, timers: Timer[]) {
  const before = state?.timers ?? [];
  const same =
    before.length === timers.length &&
    before.every((timer, i) => timer.generation === timers[i]?.generation);
  const highest = Math.max(state?.timerGeneration ?? 0, ...timers.map((t) => t.generation));
  return { timers: state && same ? state.timers : timers, timerGeneration: highest };
}

/** Without references all sanctions locks were lifted. */
export function isLifted({ kind, reference }: Lock, { references }: EscrowUnblocked): boolean {
  if (kind !== Lock_Kind.SANCTIONS) return false;
  return references.length === 0 || references.includes(reference);
}
