/**
 * What follows from a provider's object as it stands now. Pure and monotone: applying the same
 * state twice, or an older one late, changes nothing, so webhooks may come in any order.
 */
import { create } from "@bufbuild/protobuf";
import { MoneySchema } from "#gen/escrow/v1/types_pb";
import {
  DepositReceivedSchema,
  DepositReceived_Disposition as Disposition,
  PaymentFailedSchema,
  PaymentIntentCreatedSchema,
  PaymentPartiallyReceivedSchema,
  PaymentProcessingSchema,
  PaymentSucceededSchema,
  RefundFailedSchema,
  RefundSucceededSchema,
} from "#gen/payments/v1/events_pb";
import { required } from "#kernel/assert";
import * as post from "../ledger/post.ts";
import {
  depositLossReturned,
  suspenseReturned,
  suspenseReturnFailed,
} from "../ledger/post-suspense.ts";
import type {
  ProviderDeposit,
  ProviderObject,
  ProviderPayment,
  ProviderRefund,
  ProviderTransfer,
} from "../provider.ts";
import { screenDeposit } from "./ask-screening.ts";
import { assertAgrees, assertForward, assertKept } from "./contradiction.ts";
import {
  cancellation,
  returnPending,
  transferConfirmed,
  transferRejected,
  waitsFor,
} from "./decide.ts";
import { type Effect, postFor, say } from "./effect.ts";
import { evolveAll } from "./evolve.ts";
import { feePaid } from "./fee-paid.ts";
import { addFunds } from "./funds.ts";
import {
  type BookedDeposit,
  type Gone,
  isComplete,
  type Operation,
  type Payment,
  paidByBuyer,
} from "./payment.ts";
import { statusAfterRefund, statusAfterRefundFailed } from "./payment-status.ts";
import { retransferSeen, reversalSeen, type SellerNow } from "./reversal.ts";
import { backWithdrawn, gotOnly, waitsAgain } from "./wrong-asset.ts";

export interface Seen {
  readonly now: Date;
  /** Deposits of this escrow that are booked already. */
  readonly deposits: ReadonlySet<string>;
  /** Those that the object itself had told of; absent where nobody can say. */
  readonly booked?: ReadonlyMap<string, BookedDeposit> | undefined;
  /** The operation the object belongs to. */
  readonly operation: Operation | undefined;
  /** What the operation gives back is not there any more. */
  readonly gone?: Gone | undefined;
  /** Needed for a reversal. */
  readonly seller?: SellerNow;
}

export function observe(payment: Payment, object: ProviderObject, seen: Seen): readonly Effect[] {
  assertAgrees(payment, object, seen.operation);
  if (object.kind === "payment") assertKept(object, seen.booked);
  else if (seen.operation !== undefined) assertForward(object, seen.operation);
  switch (object.kind) {
    case "payment":
      return paymentSeen(payment, object, seen);
    case "transfer":
      return seen.operation === undefined ? [] : transferSeen(payment, object, seen.operation);
    case "refund":
      return seen.operation === undefined ? [] : refundSeen(payment, object, seen.operation, seen);
    case "reversal": {
      const { operation, seller } = seen;
      if (operation === undefined) return [];
      return reversalSeen(payment, object, operation, required(seller, "what the seller owes"));
    }
    default:
      return object satisfies never;
  }
}

/** Collects effects while the payment they follow from moves on with them. */
function createFold(payment: Payment) {
  const effects: Effect[] = [];
  let current = payment;
  return {
    effects,
    payment: () => current,
    add: (...more: readonly Effect[]) => {
      effects.push(...more);
      current = evolveAll(current, more);
    },
  };
}
type Fold = ReturnType<typeof createFold>;

function paymentSeen(payment: Payment, object: ProviderPayment, seen: Seen): readonly Effect[] {
  const fold = createFold(payment);
  if (payment.providerRef === undefined) opened(fold, object, seen);
  else if (JSON.stringify(payment.instructions) !== JSON.stringify(object.instructions)) {
    fold.add({ case: "set", fields: { instructions: object.instructions } });
  }
  progress(fold, object);
  const fresh = object.deposits.filter(({ depositId }) => !seen.deposits.has(depositId));
  for (const deposit of fresh) book(fold, deposit, seen.now);
  // Another asset is none of the escrow's money: it completes nothing, and makes nothing too much.
  const arrived = fresh.some(({ currency }) => currency === payment.currency);
  settle(fold, arrived, seen.now);
  feeKnown(fold, object);
  return fold.effects;
}

/** The first time it is known, and each time it grew: more money came, or more was taken of it. */
function feeKnown(fold: Fold, { fee, objectId }: ProviderPayment): void {
  const { providerFee, provider } = fold.payment();
  if (fee === undefined || fee <= (providerFee ?? -1n)) return;
  fold.add({ case: "set", fields: { providerFee: fee } });
  const more = fee - (providerFee ?? 0n);
  if (more > 0n) fold.add(postFor({ depositId: objectId }, post.providerFeeKnown(provider, more)));
}

function opened(fold: Fold, object: ProviderPayment, { now }: Seen): void {
  const { paymentId, currency, cancelled } = fold.payment();
  const amount = create(MoneySchema, { amount: paidByBuyer(fold.payment()), currency });
  const value = create(PaymentIntentCreatedSchema, { paymentId, amount });
  fold.add(
    {
      case: "set",
      fields: { providerRef: object.objectId, instructions: object.instructions },
    },
    say({ case: "paymentIntentCreated", value }),
  );
  if (cancelled) fold.add(cancellation(fold.payment(), now));
}

/** On its way, declined or ended: none of it moves money. */
function progress(fold: Fold, object: ProviderPayment): void {
  const { paymentId, status, lastError, cancelled } = fold.payment();
  if (object.status === "processing" && status === "REQUIRES_PAYMENT") {
    fold.add(
      { case: "set", fields: { status: "PROCESSING", lastError: undefined } },
      say({ case: "paymentProcessing", value: create(PaymentProcessingSchema, { paymentId }) }),
    );
  }
  if (object.lastError !== undefined && object.status === "requires_payment") {
    if (lastError === object.lastError && status !== "PROCESSING") return;
    const value = create(PaymentFailedSchema, { paymentId, code: object.lastError });
    const back = status === "PROCESSING" ? ({ status: "REQUIRES_PAYMENT" } as const) : {};
    fold.add(
      { case: "set", fields: { ...back, lastError: object.lastError } },
      say({ case: "paymentFailed", value }),
    );
  }
  if (object.status === "cancelled" && !cancelled) {
    // Ended at the provider without our asking: the escrow's deadline decides what follows.
    const value = create(PaymentFailedSchema, { paymentId, code: "CANCELLED_BY_PROVIDER" });
    if (status === "FAILED") return;
    fold.add({ case: "set", fields: { status: "FAILED" } }, say({ case: "paymentFailed", value }));
  }
}

/** Every confirmed unit is booked as pending first, whatever it turns out to be. */
function book(fold: Fold, deposit: ProviderDeposit, now: Date): void {
  const payment = fold.payment();
  const { depositId, amount, currency } = deposit;
  const disposition = dispositionOf(payment, deposit);
  const value = create(DepositReceivedSchema, { depositId, amount, disposition });
  fold.add({ case: "deposited", deposit, disposition: Disposition[disposition] });
  if (disposition === Disposition.WRONG_ASSET) {
    const stray = post.depositUnattributed(payment.provider, amount, currency);
    fold.add(
      ...gotOnly(payment),
      postFor({ depositId }, stray),
      say({ case: "depositReceived", value }),
      ...screenDeposit(payment, deposit, now),
    );
    return;
  }
  const transaction = post.depositConfirmed(payment.provider, amount);
  fold.add(
    postFor({ depositId }, transaction),
    say({ case: "depositReceived", value }, transaction.change),
    ...screenDeposit(payment, deposit, now),
  );
}

function dispositionOf(payment: Payment, { amount, currency }: ProviderDeposit): Disposition {
  if (currency !== payment.currency) return Disposition.WRONG_ASSET;
  if (payment.cancelled) return Disposition.LATE;
  if (isComplete(payment)) return Disposition.EXCESS;
  if (payment.inReview) return Disposition.IN_REVIEW;
  const received = payment.funds.pending + amount;
  return received < paidByBuyer(payment) ? Disposition.SHORT : Disposition.EXPECTED;
}

/** Completes the funding, waits for the rest, or sends back what is not the escrow's. */
function settle(fold: Fold, arrived: boolean, now: Date): void {
  const payment = fold.payment();
  const { funds, amount, buyerFee, currency, paymentId, cancelled } = payment;
  // What a bank takes is booked before anything is held for the seller.
  const kept = payment.inReview || payment.sanctioned || payment.frozen;
  const total = paidByBuyer(payment);
  if (cancelled || isComplete(payment)) {
    if (!arrived) return;
    fold.add({ case: "set", fields: { status: cancelled ? "LATE" : "OVERFUNDED" } });
  } else if (funds.pending >= total && !kept) {
    const transaction = post.fundingComplete(amount, buyerFee);
    const value = create(PaymentSucceededSchema, {
      paymentId,
      amount: create(MoneySchema, { amount: total, currency }),
    });
    const status = funds.pending > total ? "OVERFUNDED" : "SUCCEEDED";
    fold.add(
      { case: "set", fields: { status, lastError: undefined } },
      postFor({ depositId: paymentId }, transaction),
      say({ case: "paymentSucceeded", value }, transaction.change),
    );
  } else {
    if (!arrived || funds.pending === 0n || funds.pending >= total) return;
    const missing = total - funds.pending;
    const value = create(PaymentPartiallyReceivedSchema, {
      paymentId,
      received: funds.pending,
      missing,
    });
    fold.add(
      { case: "set", fields: { status: "UNDERFUNDED" } },
      say({ case: "paymentPartiallyReceived", value }),
    );
    return;
  }
  fold.add(...returnPending(fold.payment(), fold.payment().funds.pending, now));
}

/** What a lock kept back goes on: funding completes, or what is not the escrow's goes home. */
export function settlePending(payment: Payment, now: Date): readonly Effect[] {
  if (payment.funds.pending === 0n) return [];
  const fold = createFold(payment);
  settle(fold, true, now);
  return fold.effects;
}

function transferSeen(
  payment: Payment,
  object: ProviderTransfer,
  operation: Operation,
): readonly Effect[] {
  const { status, objectId, fee } = object;
  if (operation.kind === "RETRANSFER") return retransferSeen(payment, object, operation);
  if (isFinal(operation)) return [];
  if (status === "failed") return transferUndone(payment, operation, "PROVIDER_REFUSED");
  const state = status === "succeeded" ? "SUCCEEDED" : "PENDING";
  if (operation.state === state) return [];
  const moved: Effect = {
    case: "moved",
    operation: { ...operation, state, objectId, dueAt: undefined, code: "" },
  };
  if (state === "PENDING") return [moved];
  return [
    moved,
    ...transferConfirmed(payment, operation),
    ...feePaid(payment.provider, operation, fee),
  ];
}

/** Nothing was or will be sent: the exact mirror of the acceptance, the netted debt included. */
export function transferUndone(
  payment: Payment,
  operation: Operation,
  code: string,
): readonly Effect[] {
  const { operationId, gross, netted } = operation;
  const tells = netted > 0n ? { reserved: netted, released: -netted } : undefined;
  const effects: Effect[] = [
    { case: "moved", operation: { ...operation, state: "REJECTED", dueAt: undefined, code } },
    postFor({ operationId }, post.releaseUndone(payment.sellerId, operation), tells),
  ];
  if (netted > 0n) effects.push({ case: "netted", partyId: payment.sellerId, amount: -netted });
  return [...effects, ...waitsFor(code), transferRejected(operationId, gross, code)];
}

function refundSeen(
  payment: Payment,
  object: ProviderRefund,
  operation: Operation,
  { gone }: Pick<Seen, "gone">,
): readonly Effect[] {
  // An object of an earlier attempt says nothing about the one under way.
  const current = operation.objectId === undefined || operation.objectId === object.objectId;
  if (!current || operation.state === "REJECTED" || operation.state === "WITHDRAWN") return [];
  const moved = (state: Operation["state"], code = ""): Effect => ({
    case: "moved",
    operation: { ...operation, state, objectId: object.objectId, dueAt: undefined, code },
  });
  switch (object.status) {
    case "pending":
      return isFinal(operation) || operation.state === "PENDING" ? [] : [moved("PENDING")];
    case "succeeded":
      if (isFinal(operation)) return [];
      return [
        moved("SUCCEEDED"),
        ...refundConfirmed(payment, operation),
        ...feePaid(payment.provider, operation, object.fee),
      ];
    case "failed":
      if (operation.state === "FAILED") return [];
      if (operation.state === "SUCCEEDED" && gone === "UNDONE") {
        return lossReturned(payment, operation, object.code);
      }
      return [moved("FAILED", object.code), ...refundFailed(payment, operation, object.code)];
    default:
      return object.status satisfies never;
  }
}

function refundConfirmed(payment: Payment, operation: Operation): readonly Effect[] {
  const { operationId, net } = operation;
  if (operation.asset !== "") return strayReturned(payment, operation);
  const transaction = post.refundConfirmed(payment.provider, net);
  const value = create(RefundSucceededSchema, { operationId, amount: net });
  const funds = addFunds(payment.funds, transaction.change);
  return [
    postFor({ operationId }, transaction),
    say({ case: "refundSucceeded", value }, transaction.change),
    { case: "set", fields: { status: statusAfterRefund({ ...payment, funds }) } },
  ];
}

/** Another asset went back: the escrow's own money is as it was. */
function strayReturned(
  payment: Payment,
  { operationId, net, asset }: Operation,
): readonly Effect[] {
  return [
    postFor({ operationId }, suspenseReturned(payment.provider, net, asset)),
    say({
      case: "refundSucceeded",
      value: create(RefundSucceededSchema, { operationId, amount: net }),
    }),
    ...waitsAgain(payment),
  ];
}

/** The liability stays: reserved, owed to the buyer, until another attempt or an operator. */
export function refundFailed(
  payment: Payment,
  operation: Operation,
  code: string,
): readonly Effect[] {
  const { operationId, net } = operation;
  const afterConfirmation = operation.state === "SUCCEEDED";
  const value = create(RefundFailedSchema, { operationId, code, amount: net, afterConfirmation });
  if (!afterConfirmation) return [say({ case: "refundFailed", value })];
  if (operation.asset !== "") {
    const back = suspenseReturnFailed(payment.provider, net, operation.asset);
    return [postFor({ operationId }, back), say({ case: "refundFailed", value })];
  }
  const transaction = post.refundReturned(payment.provider, net);
  const funds = addFunds(payment.funds, transaction.change);
  return [
    postFor({ operationId }, transaction),
    say({ case: "refundFailed", value }, transaction.change),
    { case: "set", fields: { status: statusAfterRefundFailed({ ...payment, funds }) } },
  ];
}

/** The platform had borne it; nothing of it is owed to anybody, nor sent again. */
function lossReturned(payment: Payment, operation: Operation, code: string): readonly Effect[] {
  const { operationId, net, asset } = operation;
  const value = create(RefundFailedSchema, {
    operationId,
    code,
    amount: net,
    afterConfirmation: true,
  });
  return [
    backWithdrawn(operation),
    postFor({ operationId }, depositLossReturned(payment.provider, net, asset)),
    say({ case: "refundFailed", value }),
  ];
}

function isFinal({ state }: Operation): boolean {
  return (
    state === "SUCCEEDED" || state === "FAILED" || state === "REJECTED" || state === "WITHDRAWN"
  );
}
