/** Delivery, and money that one side lets go to the other of its own will. */
import { create } from "@bufbuild/protobuf";
import { EscrowDeliveredSchema } from "#gen/escrow/v1/events_pb";
import { type Escrow, Escrow_Stage, type Milestone, type Share } from "#gen/escrow/v1/types_pb";
import { min, sum } from "#kernel/money";
import { Code, type Draft, reject } from "./draft.ts";
import { currencyRow, disputeOn, free, fundsOf, termsOf } from "./escrow.ts";
import { sharesInOrder } from "./funds.ts";
import {
  addressed,
  freezeGuard,
  isApproved,
  isBuyer,
  isOperator,
  isSeller,
  leavingGuard,
  lockedBy,
  milestoneGuard,
  reviewGuard,
} from "./guards.ts";
import type { CommandOf, Context, Decision, Rejection } from "./messages.ts";
import { requestFullReturn, requestRefund, requestRelease, resumeReleases } from "./requests.ts";

/**
 * An escrow remembers its refunds, since each may come back long after it was confirmed; one that
 * was forgotten would come back to no milestone and leave the fees' sums wrong. So parts are
 * limited instead. All that is held may always go: nobody's money waits for this.
 */
const maxParts = 100;

type Payout = Pick<CommandOf<"releaseFunds">, "milestoneId" | "amount" | "currency">;
type Shares = { readonly shares: readonly Share[] } | { readonly rejected: Rejection };

export function markDelivered(
  draft: Draft,
  { milestoneId, note }: CommandOf<"markDelivered">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const rejected = leavingGuard(escrow, milestoneId);
  if (rejected) return { rejected };
  if (!isSeller(escrow, actor)) return reject(Code.NOT_THE_SELLER, "only the seller delivers");
  const unknown = milestoneGuard(escrow, milestoneId);
  if (unknown) return { rejected: unknown };
  const asked = addressed(escrow, milestoneId);
  const ready = movable(escrow, milestoneId).filter((m) => free(m) > 0n && !m.delivered);
  if (ready.length === 0) {
    return asked.every((m) => m.delivered)
      ? reject(Code.ALREADY_DELIVERED, "delivery was said before")
      : reject(Code.DECISION_STANDS, "the money is decided already");
  }
  const milestoneIds = ready.map((m) => m.milestoneId);
  const value = create(EscrowDeliveredSchema, { milestoneIds, ...(note && { note }) });
  draft.say({ case: "delivered", value });
  return draft.decision();
}

export function releaseFunds(
  draft: Draft,
  command: CommandOf<"releaseFunds">,
  context: Context,
): Decision {
  const { escrow } = draft;
  const { milestoneId } = command;
  const rejected = leavingGuard(escrow, milestoneId) ?? releaseActor(escrow, context);
  if (rejected) return { rejected };
  const asked = sharesOf(escrow, command, free);
  if ("shares" in asked) {
    requestRelease(draft, asked.shares, { rule: "RELEASE", written: command.reason });
    return draft.decision();
  }
  const standing = sum(movable(escrow, milestoneId).map((m) => m.standing));
  if (asked.rejected.code !== Code.INSUFFICIENT_HELD || standing === 0n) return asked;
  if (isBuyer(escrow, context.actor)) {
    return reject(Code.DECISION_STANDS, "the release is decided and waits for the seller");
  }
  const { version } = escrow;
  resumeReleases(draft);
  if (draft.escrow.version > version) return draft.decision();
  return { rejected: lockedBy("a dispute holds back the decided release") };
}

export function refundEscrow(
  draft: Draft,
  command: CommandOf<"refundEscrow">,
  context: Context,
): Decision {
  const { escrow } = draft;
  const cancelled = escrow.stage === Escrow_Stage.CANCELLED && fundsOf(escrow).held > 0n;
  const rejected =
    (cancelled
      ? (freezeGuard(escrow) ?? reviewGuard(escrow))
      : leavingGuard(escrow, command.milestoneId)) ?? refundActor(escrow, context);
  if (rejected) return { rejected };
  const asked = sharesOf(escrow, command, (m) => m.held);
  if ("rejected" in asked) return asked;
  const written = command.reason;
  if (cancelled) requestFullReturn(draft, asked.shares, { rule: "CANCELLED", written });
  else requestRefund(draft, asked.shares, { rule: "REFUND", written });
  return draft.decision();
}

/** Milestones whose money no dispute stops. */
function movable(escrow: Escrow, milestoneId: string): readonly Milestone[] {
  return addressed(escrow, milestoneId).filter((m) => !disputeOn(escrow, m.milestoneId));
}

function releaseActor(escrow: Escrow, context: Context): Rejection | undefined {
  if (isBuyer(escrow, context.actor)) return undefined;
  return operatorGuard(escrow, context, {
    code: Code.NOT_THE_BUYER,
    detail: "only the buyer releases",
  });
}

function refundActor(escrow: Escrow, context: Context): Rejection | undefined {
  if (isSeller(escrow, context.actor)) return undefined;
  return operatorGuard(escrow, context, {
    code: Code.NOT_THE_SELLER,
    detail: "only the seller refunds",
  });
}

function operatorGuard(escrow: Escrow, context: Context, other: Rejection): Rejection | undefined {
  if (!isOperator(escrow, context.actor)) return other;
  if (isApproved(escrow, context)) return undefined;
  return { code: Code.APPROVAL_REQUIRED, detail: "a second operator approves first" };
}

/** What the command asks for, milestone by milestone. */
function sharesOf(
  escrow: Escrow,
  { milestoneId, amount, currency }: Payout,
  available: (milestone: Milestone) => bigint,
): Shares {
  const rejected =
    milestoneGuard(escrow, milestoneId) ?? amountGuard(escrow, { milestoneId, amount, currency });
  if (rejected) return { rejected };
  const open = new Set(movable(escrow, milestoneId));
  const there = (m: Milestone) => (open.has(m) ? available(m) : 0n);
  const total = sum(escrow.milestones.map(there));
  if (total === 0n && addressed(escrow, milestoneId).some((m) => m.held > 0n && !open.has(m))) {
    return { rejected: lockedBy("the milestone is disputed") };
  }
  if (total === 0n || amount > total) {
    return { rejected: { code: Code.INSUFFICIENT_HELD, detail: `${total} can be decided on` } };
  }
  if (amount > 0n && amount < total && escrow.operations.length >= maxParts) {
    const detail = `of ${maxParts} parts not all are over: ask for all of the ${total}`;
    return { rejected: { code: Code.TOO_MANY_PARTS, detail } };
  }
  return { shares: sharesInOrder(escrow, min(amount || total, total), there) };
}

function amountGuard(escrow: Escrow, asked: Payout): Rejection | undefined {
  const { milestoneId, amount, currency } = asked;
  if (currency && currency !== termsOf(escrow).amount?.currency) {
    return { code: Code.CURRENCY_MISMATCH, detail: "the escrow has another currency" };
  }
  if (amount < 0n || amount % currencyRow(escrow).step !== 0n) {
    return { code: Code.AMOUNT, detail: "not an amount of this currency" };
  }
  if (amount > 0n && !milestoneId && escrow.milestones.length > 1) {
    return { code: Code.MILESTONE_REQUIRED, detail: "an amount needs its milestone" };
  }
  return undefined;
}
