/**
 * Turns decisions about money into operations: shares, fees, and an id that never repeats. The
 * parts' fees add up to the whole's, and nothing is asked beyond what is held.
 */
import { create } from "@bufbuild/protobuf";
import {
  EscrowRefundRequestedSchema,
  EscrowReleaseRequestedSchema,
  EscrowReleaseResumedSchema,
} from "#gen/escrow/v1/events_pb";
import {
  type Escrow,
  Lock_Kind,
  type Operation,
  Operation_Kind,
  Operation_Status,
  OperationSchema,
  type SealedText,
  type Share,
  Terms_FeeRefund,
} from "#gen/escrow/v1/types_pb";
import { hashFields } from "#kernel/ids";
import { cumulativeFee, floorToStep, max, min, sum } from "#kernel/money";
import type { Draft } from "./draft.ts";
import {
  amountOf,
  currencyRow,
  disputeOn,
  fundsOf,
  hasLock,
  isFrozen,
  standingReleases,
  termsOf,
} from "./escrow.ts";

/** Why money leaves: the rule by which it does, and what whoever asked for it wrote. */
export interface Why {
  readonly rule: string;
  readonly written?: SealedText | undefined;
}

/** held → reserved for the seller. */
export function requestRelease(draft: Draft, shares: readonly Share[], why: Why): void {
  if (shares.length === 0) return;
  const operation = releaseOperation(draft.escrow, shares, why.rule);
  const value = create(EscrowReleaseRequestedSchema, { operation, ...reasonOf(why) });
  draft.say({ case: "releaseRequested", value });
}

/** held, and the buyer's fee as the terms say, → reserved for the buyer. */
export function requestRefund(draft: Draft, shares: readonly Share[], why: Why): void {
  if (shares.length === 0) return;
  const fee = feeReturned(draft.escrow, sum(shares.map((share) => share.amount)));
  sayRefund(draft, shares, fee, why);
}

/** Everything back, with the whole of the buyer's fee: the deal never came to be. */
export function requestFullReturn(draft: Draft, shares: readonly Share[], why: Why): void {
  const { escrow } = draft;
  const left = max(termsOf(escrow).buyerFee - escrow.buyerFeeReturned, 0n);
  sayRefund(draft, shares, min(left, buyerFeesKept(escrow)), why);
}

/** Asks anew what the seller could not receive, where no lock is in the way. */
export function resumeReleases(draft: Draft): void {
  const { escrow } = draft;
  if (isFrozen(escrow) || hasLock(escrow, Lock_Kind.REVIEW)) return;
  for (const { operationId } of standingReleases(escrow)) resume(draft, operationId);
}

function resume(draft: Draft, operationId: string): void {
  const { escrow } = draft;
  const old = standingReleases(escrow).find((o) => o.operationId === operationId);
  if (!old || old.shares.some((share) => disputeOn(escrow, share.milestoneId))) return;
  const operation = releaseOperation(escrow, old.shares, old.reason);
  const value = create(EscrowReleaseResumedSchema, { operationId, operation });
  draft.say({ case: "releaseResumed", value });
}

function releaseOperation(escrow: Escrow, shares: readonly Share[], reason: string): Operation {
  const amount = sum(shares.map((share) => share.amount));
  const fee = cumulativeFee({
    fee: termsOf(escrow).sellerFee,
    whole: amountOf(escrow),
    done: escrow.releasedGross,
    taken: escrow.sellerFeeTaken,
    part: amount,
    step: currencyRow(escrow).step,
  });
  return operation(escrow, Operation_Kind.RELEASE, { shares, amount, fee, reason });
}

function sayRefund(draft: Draft, shares: readonly Share[], fee: bigint, why: Why): void {
  const amount = sum(shares.map((share) => share.amount));
  const parts = { shares, amount, fee, reason: why.rule };
  const asked = operation(draft.escrow, Operation_Kind.REFUND, parts);
  const value = create(EscrowRefundRequestedSchema, { operation: asked, ...reasonOf(why) });
  draft.say({ case: "refundRequested", value });
}

function reasonOf({ written }: Why): { readonly reason?: SealedText } {
  return written === undefined ? {} : { reason: written };
}

function feeReturned(escrow: Escrow, part: bigint): bigint {
  const { buyerFee, feeRefund } = termsOf(escrow);
  if (feeRefund === Terms_FeeRefund.KEEP) return 0n;
  const { step } = currencyRow(escrow);
  const share = cumulativeFee({
    fee: buyerFee,
    whole: amountOf(escrow),
    done: escrow.refundedPrincipal,
    taken: escrow.buyerFeeReturned,
    part,
    step,
  });
  return floorToStep(min(share, buyerFeesKept(escrow)), step);
}

/** What is left of the buyer's fee: a chargeback may have taken its part of it. */
function buyerFeesKept(escrow: Escrow): bigint {
  const inFlight = escrow.operations
    .filter((o) => o.kind === Operation_Kind.RELEASE && o.status === Operation_Status.IN_FLIGHT)
    .map((o) => o.fee);
  const sellersKept = escrow.sellerFeeTaken - sum(inFlight);
  return max(fundsOf(escrow).fees - sellersKept, 0n);
}

function operation(
  escrow: Escrow,
  kind: Operation_Kind,
  parts: { shares: readonly Share[]; amount: bigint; fee: bigint; reason: string },
): Operation {
  return create(OperationSchema, {
    ...parts,
    kind,
    shares: [...parts.shares],
    operationId: operationId(escrow, kind),
    status: Operation_Status.IN_FLIGHT,
  });
}

/** One event asks for one operation, so the version the event will have makes the id unique. */
function operationId(escrow: Escrow, kind: Operation_Kind): string {
  const version = String(escrow.version + 1n);
  return `op_${hashFields(escrow.escrowId, Operation_Kind[kind], version).slice(0, 32)}`;
}
