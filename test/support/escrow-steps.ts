/**
 * Commands and payments' facts as tests say them: 10,000 USD from alice to bob, held by the rules
 * the two modules agreed on. A step may look at the escrow it meets.
 */
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import * as C from "#gen/escrow/v1/commands_pb";
import * as T from "#gen/escrow/v1/types_pb";
import * as P from "#gen/payments/v1/events_pb";
import { addMs } from "#kernel/duration";
import type { Input } from "../../src/modules/escrow/domain/messages.ts";

export interface Step {
  readonly input: Input;
  readonly actor: T.Actor;
  readonly name: string;
  readonly approvedBy?: readonly string[];
  readonly expectedVersion?: bigint;
  readonly change?: T.FundsChange;
  readonly now?: Timestamp;
}
/** Steps that need to know the escrow, for an operation's id or a timer's generation. */
export type StepAt = Step | ((escrow: T.Escrow) => Step);

export const start: Timestamp = timestampFromDate(new Date("2026-01-05T12:00:00.000Z"));
export const day = 86_400_000n;
export const after = (ms: bigint): Timestamp => addMs(start, ms);

const user = (id: string, ...roles: string[]): T.Actor =>
  create(T.ActorSchema, { kind: T.Actor_Kind.USER, id, roles, principal: `test|${id}` });

export const buyer = user("alice", "buyer");
export const seller = user("bob", "seller");
export const admin = user("root", "admin");
export const auditor = user("audra", "auditor");
export const stranger = user("mallory");
export const system: T.Actor = create(T.ActorSchema, { kind: T.Actor_Kind.SYSTEM, id: "system" });
export const twoOperators = ["root", "rita"] as const;

export interface By {
  readonly by: T.Actor;
}

export function terms(
  changes: Partial<Omit<T.Terms, "$typeName" | "amount">> & {
    amount?: bigint;
    currency?: string;
    parts?: readonly bigint[];
  } = {},
): T.Terms {
  const { amount = 10_000n, currency = "USD", parts = [], ...rest } = changes;
  return create(T.TermsSchema, {
    buyerId: buyer.id,
    sellerId: seller.id,
    amount: create(T.MoneySchema, { amount, currency }),
    milestones: parts.map((part, i) =>
      create(T.MilestoneTermsSchema, { milestoneId: `m${i + 1}`, amount: part }),
    ),
    ...rest,
  });
}

type Optional = { milestoneId?: string; amount?: bigint; currency?: string };
type Shares = { milestoneId?: string; buyer: bigint; seller: bigint };

export const createEscrow = ({
  by,
  terms: asked,
  ...rest
}: By & { terms?: T.Terms; acceptedByBoth?: boolean }): Step =>
  step(by, {
    case: "createEscrow",
    value: create(C.CreateEscrowSchema, { terms: asked ?? terms(), ...rest }),
  });
export const acceptTerms =
  ({ by, hash }: By & { hash?: string }): StepAt =>
  (escrow) =>
    step(by, {
      case: "acceptTerms",
      value: create(C.AcceptTermsSchema, { termsHash: hash ?? escrow.termsHash }),
    });
export const cancelEscrow = ({ by }: By): Step =>
  step(by, { case: "cancelEscrow", value: create(C.CancelEscrowSchema) });
export const markDelivered = ({ by, ...rest }: By & Optional): Step =>
  step(by, { case: "markDelivered", value: create(C.MarkDeliveredSchema, rest) });
export const releaseFunds = ({
  by,
  approved,
  ...rest
}: By & Optional & { approved?: boolean }): Step =>
  step(by, { case: "releaseFunds", value: create(C.ReleaseFundsSchema, rest) }, approved);
export const refundEscrow = ({
  by,
  approved,
  ...rest
}: By & Optional & { approved?: boolean }): Step =>
  step(by, { case: "refundEscrow", value: create(C.RefundEscrowSchema, rest) }, approved);
export const raiseDispute = ({ by, ...rest }: By & Optional): Step =>
  step(by, { case: "raiseDispute", value: create(C.RaiseDisputeSchema, rest) });
export const withdrawDispute = ({ by, ...rest }: By & Optional): Step =>
  step(by, { case: "withdrawDispute", value: create(C.WithdrawDisputeSchema, rest) });
export const resolveDispute = ({ by, ...rest }: By & Shares): Step =>
  step(by, { case: "resolveDispute", value: create(C.ResolveDisputeSchema, rest) });
export const addEvidence = ({ by, ...rest }: By & Optional): Step =>
  step(by, { case: "addEvidence", value: create(C.AddEvidenceSchema, rest) });
export const amendTerms = ({ by, ...rest }: By & { terms?: T.Terms; termsHash?: string }): Step =>
  step(by, { case: "amendTerms", value: create(C.AmendTermsSchema, rest) });
export const acceptAmendment =
  ({ by }: By): StepAt =>
  (escrow) =>
    amendTerms({ by, termsHash: escrow.proposedTermsHash });
export const offerSettlement = ({ by, ...rest }: By & Shares): Step =>
  step(by, { case: "offerSettlement", value: create(C.OfferSettlementSchema, rest) });
export const acceptSettlement =
  ({ by, offerId }: By & { offerId?: string }): StepAt =>
  (escrow) =>
    step(by, {
      case: "acceptSettlement",
      value: create(C.AcceptSettlementSchema, {
        offerId: offerId ?? escrow.offers[0]?.offerId ?? "none",
      }),
    });
export const unblockEscrow = ({ by, approved }: By & { approved?: boolean }): Step =>
  step(
    by,
    {
      case: "unblockEscrow",
      value: create(C.UnblockEscrowSchema, { references: ["hit_1"] }),
    },
    approved,
  );

const generation = (escrow: T.Escrow, kind: T.Timer_Kind, milestoneId = "") =>
  escrow.timers.find((t) => t.kind === kind && t.milestoneId === milestoneId)?.generation ?? 0;

export const expireFunding =
  ({ by = system, generation: g }: { by?: T.Actor; generation?: number } = {}): StepAt =>
  (escrow) =>
    step(by, {
      case: "expireFunding",
      value: create(C.ExpireFundingSchema, {
        generation: g ?? generation(escrow, T.Timer_Kind.FUNDING),
      }),
    });
export const expireDelivery =
  ({ by = system, generation: g }: { by?: T.Actor; generation?: number } = {}): StepAt =>
  (escrow) =>
    step(by, {
      case: "expireDelivery",
      value: create(C.ExpireDeliverySchema, {
        generation: g ?? generation(escrow, T.Timer_Kind.DELIVERY),
      }),
    });
export const autoRelease =
  ({
    by = system,
    milestoneId = "m1",
    generation: g,
  }: {
    by?: T.Actor;
    milestoneId?: string;
    generation?: number;
  } = {}): StepAt =>
  (escrow) =>
    step(by, {
      case: "autoRelease",
      value: create(C.AutoReleaseSchema, {
        milestoneId,
        generation: g ?? generation(escrow, T.Timer_Kind.AUTO_RELEASE, milestoneId),
      }),
    });
export const resolveByDefault =
  ({ by = system, milestoneId = "m1" }: { by?: T.Actor; milestoneId?: string } = {}): StepAt =>
  (escrow) =>
    step(by, {
      case: "resolveByDefault",
      value: create(C.ResolveByDefaultSchema, {
        milestoneId,
        generation: generation(escrow, T.Timer_Kind.ARBITER, milestoneId),
      }),
    });
export const remind =
  ({ by = system }: { by?: T.Actor } = {}): StepAt =>
  (escrow) => {
    const timer = escrow.timers.find((t) => t.kind === T.Timer_Kind.REMINDER && !t.paused);
    const { generation: g = 0, announces, milestoneId, before } = timer ?? {};
    const value = create(C.RemindSchema, {
      generation: g,
      ...(announces !== undefined && { announces }),
      ...(milestoneId !== undefined && { milestoneId }),
      ...(before !== undefined && { before }),
    });
    return step(by, { case: "remind", value });
  };

/** A fact of payments and what it moved in the books. */
export function fact(input: Input, moved: Partial<Omit<T.FundsChange, "$typeName">> = {}): Step {
  const change = create(T.FundsChangeSchema, moved);
  return { ...step(system, input), change };
}

export const deposit = (
  amount: bigint,
  disposition = P.DepositReceived_Disposition.EXPECTED,
): Step =>
  fact(
    {
      case: "depositReceived",
      value: create(P.DepositReceivedSchema, { depositId: "dep", amount, disposition }),
    },
    { funded: amount, pending: amount },
  );
export const paymentSucceeded = (held = 10_000n, fee = 320n): Step =>
  fact(
    { case: "paymentSucceeded", value: create(P.PaymentSucceededSchema, { paymentId: "pay_1" }) },
    { pending: -(held + fee), held, fees: fee },
  );
export const paymentProcessing = (): Step =>
  fact({
    case: "paymentProcessing",
    value: create(P.PaymentProcessingSchema, { paymentId: "pay_1" }),
  });
export const paymentFailed = (): Step =>
  fact({ case: "paymentFailed", value: create(P.PaymentFailedSchema, { paymentId: "pay_1" }) });

const last = (escrow: T.Escrow, kind: T.Operation_Kind): T.Operation => {
  const operation = escrow.operations.findLast((o) => o.kind === kind);
  if (!operation) throw new Error("the escrow has no such operation");
  return operation;
};

export const transferSucceeded = (): StepAt => (escrow) => {
  const { operationId, amount, fee } = last(escrow, T.Operation_Kind.RELEASE);
  const net = amount - fee;
  return fact(
    {
      case: "transferSucceeded",
      value: create(P.TransferSucceededSchema, { operationId, net, fee }),
    },
    { reserved: -amount, released: net, fees: fee },
  );
};
export const transferRejected =
  (code = "SELLER_NOT_READY"): StepAt =>
  (escrow) => {
    const { operationId, amount } = last(escrow, T.Operation_Kind.RELEASE);
    return fact(
      {
        case: "transferRejected",
        value: create(P.TransferRejectedSchema, { operationId, code, amount }),
      },
      { reserved: -amount, held: amount },
    );
  };
export const refundSucceeded = (): StepAt => (escrow) => {
  const { operationId, amount, fee } = last(escrow, T.Operation_Kind.REFUND);
  return fact(
    {
      case: "refundSucceeded",
      value: create(P.RefundSucceededSchema, { operationId, amount: amount + fee }),
    },
    { reserved: -(amount + fee), refunded: amount + fee },
  );
};
export const refundRejected =
  (code = "FUNDS_UNAVAILABLE"): StepAt =>
  (escrow) => {
    const { operationId, amount, fee } = last(escrow, T.Operation_Kind.REFUND);
    return fact(
      {
        case: "refundRejected",
        value: create(P.RefundRejectedSchema, { operationId, code, amount }),
      },
      { reserved: -(amount + fee), held: amount, fees: fee },
    );
  };
export const refundFailed =
  ({ afterConfirmation = false } = {}): StepAt =>
  (escrow) => {
    const { operationId, amount, fee } = last(escrow, T.Operation_Kind.REFUND);
    const value = create(P.RefundFailedSchema, {
      operationId,
      code: "bank",
      amount,
      afterConfirmation,
    });
    const back = amount + fee;
    return fact(
      { case: "refundFailed", value },
      afterConfirmation ? { refunded: -back, reserved: back } : {},
    );
  };
export const sellerReady = (): Step =>
  fact({
    case: "sellerReadinessChanged",
    value: create(P.SellerReadinessChangedSchema, { sellerId: seller.id, ready: true }),
  });
export const chargebackOpened = (held: bigint, fees: bigint, disputeId = "dp_1"): Step =>
  fact(
    {
      case: "chargebackOpened",
      value: create(P.ChargebackOpenedSchema, { disputeId, amount: held + fees }),
    },
    { held: -held, fees: -fees, chargedBack: held + fees },
  );
export const inquiryOpened = (disputeId = "dp_1"): Step =>
  fact({
    case: "chargebackOpened",
    value: create(P.ChargebackOpenedSchema, { disputeId, amount: 10_320n, inquiry: true }),
  });
export const chargebackLost = (disputeId = "dp_1"): Step =>
  fact({
    case: "chargebackClosed",
    value: create(P.ChargebackClosedSchema, { disputeId, won: false }),
  });
export const chargebackWon = (held: bigint, fees: bigint, disputeId = "dp_1"): Step =>
  fact(
    { case: "chargebackClosed", value: create(P.ChargebackClosedSchema, { disputeId, won: true }) },
    { held, fees, chargedBack: -(held + fees) },
  );
export const fundsBlocked = (moved: Partial<Omit<T.FundsChange, "$typeName">>): Step =>
  fact(
    { case: "fundsBlocked", value: create(P.FundsBlockedSchema, { reference: "hit_1" }) },
    moved,
  );
export const fundsUnblocked = (moved: Partial<Omit<T.FundsChange, "$typeName">>): Step =>
  fact(
    { case: "fundsUnblocked", value: create(P.FundsUnblockedSchema, { reference: "hit_1" }) },
    moved,
  );
export const screeningHeld = (): Step =>
  fact({ case: "screeningHeld", value: create(P.ScreeningHeldSchema, { reviewId: "rev_1" }) });
export const screeningCleared = (): Step =>
  fact({
    case: "screeningCleared",
    value: create(P.ScreeningClearedSchema, { reviewId: "rev_1" }),
  });
export const ledgerPosted = (
  reason: string,
  moved: Partial<Omit<T.FundsChange, "$typeName">>,
): Step => fact({ case: "ledgerPosted", value: create(P.LedgerPostedSchema, { reason }) }, moved);

function step(actor: T.Actor, input: Input, approved = false): Step {
  const approvedBy = approved ? twoOperators : [];
  return {
    input,
    actor,
    approvedBy,
    name: `${input.case} by ${actor.id}${approved ? " and another" : ""}`,
  };
}
