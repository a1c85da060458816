/** Disputes, evidence and settlements: who stops a milestone's money, and how it is split again. */
import { create } from "@bufbuild/protobuf";
import {
  EscrowDisputedSchema,
  EscrowDisputeResolvedSchema,
  EscrowDisputeWithdrawnSchema,
  EscrowEvidenceAddedSchema,
  EscrowSettlementOfferedSchema,
} from "#gen/escrow/v1/events_pb";
import {
  type Escrow,
  Lock_Kind,
  LockSchema,
  type Milestone,
  type SealedText,
  SettlementOfferSchema,
} from "#gen/escrow/v1/types_pb";
import { hashFields } from "#kernel/ids";
import { sum } from "#kernel/money";
import { Code, type Draft, reject } from "./draft.ts";
import { currencyRow, disputeOn, free, isBlocked } from "./escrow.ts";
import { sharesInOrder } from "./funds.ts";
import {
  addressed,
  freezeGuard,
  fundedGuard,
  isOperator,
  isParty,
  lockedBy,
  milestoneGuard,
  reviewGuard,
} from "./guards.ts";
import type { CommandOf, Context, Decision, Rejection } from "./messages.ts";
import { requestRefund, requestRelease, resumeReleases } from "./requests.ts";

/** A decision on the free money of some milestones. */
export interface Split {
  readonly milestones: readonly Milestone[];
  readonly buyer: bigint;
  readonly seller: bigint;
  readonly by: "ARBITER" | "SETTLEMENT" | "DEFAULT";
  readonly reason?: SealedText | undefined;
}

export function raiseDispute(
  draft: Draft,
  { milestoneId, reason }: CommandOf<"raiseDispute">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const rejected = fundedGuard(escrow) ?? freezeGuard(escrow);
  if (rejected) return { rejected };
  if (!isParty(escrow, actor)) return reject(Code.ROLE_REQUIRED, "only the parties dispute");
  const unknown = milestoneGuard(escrow, milestoneId);
  if (unknown) return { rejected: unknown };
  const asked = addressed(escrow, milestoneId);
  const open = asked.filter((m) => isDisputable(escrow, m));
  if (open.length === 0) return { rejected: whyNotDisputable(escrow, asked) };
  const reference = `dsp_${nextId(escrow)}`;
  const locks = open.map((m) =>
    create(LockSchema, {
      kind: Lock_Kind.DISPUTE,
      milestoneId: m.milestoneId,
      reference,
      openedBy: actor.id,
      openedAt: draft.now,
    }),
  );
  const body = { locks, raisedBy: actor.id, ...(reason && { reason }) };
  draft.say({ case: "disputed", value: create(EscrowDisputedSchema, body) });
  return draft.decision();
}

export function withdrawDispute(
  draft: Draft,
  { milestoneId }: CommandOf<"withdrawDispute">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const rejected = fundedGuard(escrow) ?? disputedGuard(escrow, milestoneId);
  if (rejected) return { rejected };
  if (!isParty(escrow, actor)) return reject(Code.ROLE_REQUIRED, "only the parties withdraw");
  const own = disputed(escrow, milestoneId).filter(
    (m) => disputeOn(escrow, m.milestoneId)?.openedBy === actor.id,
  );
  if (own.length === 0) return reject(Code.NOT_THE_DISPUTER, "the other party raised the dispute");
  const milestoneIds = own.map((m) => m.milestoneId);
  const value = create(EscrowDisputeWithdrawnSchema, { milestoneIds });
  draft.say({ case: "disputeWithdrawn", value });
  resumeReleases(draft);
  return draft.decision();
}

export function resolveDispute(
  draft: Draft,
  command: CommandOf<"resolveDispute">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const { milestoneId, buyer, seller, reason } = command;
  const rejected =
    fundedGuard(escrow) ??
    freezeGuard(escrow) ??
    reviewGuard(escrow) ??
    disputedGuard(escrow, milestoneId);
  if (rejected) return { rejected };
  if (!isOperator(escrow, actor)) return reject(Code.ROLE_REQUIRED, "only the arbiter resolves");
  const milestones = disputed(escrow, milestoneId);
  const bad = splitGuard(escrow, milestones, { buyer, seller });
  if (bad) return { rejected: bad };
  settle(draft, { milestones, buyer, seller, by: "ARBITER", reason });
  return draft.decision();
}

export function offerSettlement(
  draft: Draft,
  { milestoneId, buyer, seller }: CommandOf<"offerSettlement">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const rejected = fundedGuard(escrow) ?? freezeGuard(escrow);
  if (rejected) return { rejected };
  if (!isParty(escrow, actor)) return reject(Code.ROLE_REQUIRED, "only the parties settle");
  const bad =
    milestoneGuard(escrow, milestoneId) ??
    splitGuard(escrow, addressed(escrow, milestoneId), { buyer, seller });
  if (bad) return { rejected: bad };
  const offer = create(SettlementOfferSchema, {
    offerId: `off_${nextId(escrow)}`,
    offeredBy: actor.id,
    milestoneId,
    buyer,
    seller,
  });
  const value = create(EscrowSettlementOfferedSchema, { offer });
  draft.say({ case: "settlementOffered", value });
  return draft.decision();
}

export function acceptSettlement(
  draft: Draft,
  { offerId }: CommandOf<"acceptSettlement">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const rejected = fundedGuard(escrow) ?? freezeGuard(escrow) ?? reviewGuard(escrow);
  if (rejected) return { rejected };
  if (!isParty(escrow, actor)) return reject(Code.ROLE_REQUIRED, "only the parties settle");
  const offer = escrow.offers.find((o) => o.offerId === offerId);
  if (!offer) return reject(Code.OFFER_UNKNOWN, "no such offer");
  if (offer.offeredBy === actor.id) {
    return reject(Code.ALREADY_ACCEPTED, "waits for the other party");
  }
  const milestones = addressed(escrow, offer.milestoneId).filter((m) => free(m) > 0n);
  const { buyer, seller } = offer;
  const bad = splitGuard(escrow, milestones, { buyer, seller });
  if (bad) return { rejected: bad };
  settle(draft, { milestones, buyer, seller, by: "SETTLEMENT" });
  return draft.decision();
}

export function addEvidence(
  draft: Draft,
  command: CommandOf<"addEvidence">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const { milestoneId, text, sha256, url } = command;
  const operator = isOperator(escrow, actor);
  if (isBlocked(escrow) && !operator) return { rejected: lockedBy("the funds are blocked") };
  if (!operator && !isParty(escrow, actor)) {
    return reject(Code.ROLE_REQUIRED, "only the parties and the arbiter add evidence");
  }
  const unknown = milestoneGuard(escrow, milestoneId);
  if (unknown) return { rejected: unknown };
  const value = create(EscrowEvidenceAddedSchema, {
    evidenceId: `evd_${nextId(escrow)}`,
    milestoneId,
    addedBy: actor.id,
    sha256,
    url,
    ...(text && { text }),
  });
  draft.say({ case: "evidenceAdded", value });
  return draft.decision();
}

/** The decision itself: locks off, both ways at once. The seller's part fills milestones in order. */
export function settle(draft: Draft, split: Split): void {
  const { milestones, buyer, seller, by, reason } = split;
  const milestoneIds = milestones.map((m) => m.milestoneId);
  const body = { milestoneIds, buyer, seller, by, ...(reason && { reason }) };
  const named = new Set(milestoneIds);
  draft.say({ case: "disputeResolved", value: create(EscrowDisputeResolvedSchema, body) });
  const open = (m: Milestone) => (named.has(m.milestoneId) ? free(m) : 0n);
  requestRelease(draft, sharesInOrder(draft.escrow, seller, open), { rule: by });
  requestRefund(draft, sharesInOrder(draft.escrow, buyer, open), { rule: by });
  resumeReleases(draft);
}

export function disputed(escrow: Escrow, milestoneId: string): readonly Milestone[] {
  return addressed(escrow, milestoneId).filter((m) => disputeOn(escrow, m.milestoneId));
}

function isDisputable(escrow: Escrow, milestone: Milestone): boolean {
  const undecided = milestone.held > 0n && milestone.standing === 0n;
  return undecided && !disputeOn(escrow, milestone.milestoneId);
}

function whyNotDisputable(escrow: Escrow, asked: readonly Milestone[]): Rejection {
  if (asked.some((m) => disputeOn(escrow, m.milestoneId))) {
    return { code: Code.ALREADY_DISPUTED, detail: "the milestone is disputed" };
  }
  if (asked.some((m) => m.reserved > 0n || m.standing > 0n)) {
    return { code: Code.DECISION_STANDS, detail: "the money is decided already" };
  }
  return { code: Code.ALREADY_SETTLED, detail: "the milestone is settled" };
}

function disputedGuard(escrow: Escrow, milestoneId: string): Rejection | undefined {
  if (disputed(escrow, milestoneId).length > 0) return undefined;
  return { code: Code.NOT_DISPUTED, detail: "no dispute is open" };
}

function splitGuard(
  escrow: Escrow,
  milestones: readonly Milestone[],
  { buyer, seller }: { buyer: bigint; seller: bigint },
): Rejection | undefined {
  const { step } = currencyRow(escrow);
  if (buyer < 0n || seller < 0n || buyer % step !== 0n || seller % step !== 0n) {
    return { code: Code.AMOUNT, detail: "not an amount of this currency" };
  }
  const locked = sum(milestones.map(free));
  if (locked === 0n) return { code: Code.DECISION_STANDS, detail: "the money is decided already" };
  if (buyer + seller === locked) return undefined;
  return { code: Code.SPLIT_SUM, detail: `the shares must add up to ${locked}` };
}

function nextId(escrow: Escrow): string {
  return hashFields(escrow.escrowId, String(escrow.version + 1n)).slice(0, 32);
}
