/**
 * What follows from a command on a payment. Pure. Guard order: exists, actor, state, locks, money.
 * A reservation that cannot be met is an answer (TransferRejected, RefundRejected) whose change
 * undoes what the escrow module reserved at its own decision.
 */

import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Terms_ChargebackLiability as ChargebackLiability } from "#gen/escrow/v1/types_pb";
import type {
  AmendPayment,
  Command,
  CreatePaymentIntent,
  InitiateRefund,
  TransferToSeller,
} from "#gen/payments/v1/commands_pb";
import {
  PaymentCancelledSchema,
  PaymentCommandSucceededSchema,
  RefundRejectedSchema,
  TransferRejectedSchema,
  TransferSucceededSchema,
} from "#gen/payments/v1/events_pb";
import { hashFields } from "#kernel/ids";
import { floorToStep, min, stepOf } from "#kernel/money";
import { TerminalError } from "#platform/errors";
import * as post from "../ledger/post.ts";
import { screenPayout } from "./ask-screening.ts";
import { lookUpNow, nextAttempt } from "./calls.ts";
import { accept, type Decision, type Effect, nothing, postFor, reject, say } from "./effect.ts";
import { refuseActor } from "./operator.ts";
import {
  type Gone,
  isComplete,
  isLocked,
  newOperation,
  type Operation,
  type Payment,
  paidByBuyer,
  type Terms,
} from "./payment.ts";
import { statusWhenCancelled } from "./payment-status.ts";
import { writeOffDebt } from "./write-off.ts";

export interface Context {
  readonly now: Date;
  /** The row is there; false: this is a new payment made from the command's own terms. */
  readonly known: boolean;
  /** Operations of this escrow that the command names. */
  readonly operations: ReadonlyMap<string, Operation>;
  /** Those of them whose deposit is not there any more. */
  readonly gone: ReadonlyMap<string, Gone>;
  /** Those of them whose object says something else than it said before. */
  readonly contradicted: ReadonlySet<string>;
  /** An operation of any escrow has this id: it keeps it for ever. */
  readonly isTaken: (operationId: string) => boolean;
  readonly sellerReady: boolean;
  /** The provider's id of the seller's account; "" when it knows him by his id. */
  readonly sellerAccount: string;
  /** What the seller owes in this currency, minor units. */
  readonly debt: bigint;
  /** How much of what a release would pay him may be kept against it. */
  readonly nettable: (net: bigint) => bigint;
  readonly providerKnown: boolean;
  /** Nothing is released through it until two operators let it go on. */
  readonly providerStopped: boolean;
}

export function decide(payment: Payment, command: Command, context: Context): Decision {
  const { body } = command;
  switch (body.case) {
    case "createPaymentIntent":
      return createPayment(payment, context);
    case "cancelPayment":
      return cancelPayment(payment, context);
    case "transferToSeller":
      return transferToSeller(payment, body.value, context);
    case "initiateRefund":
      return initiateRefund(payment, body.value, context);
    case "renewPayment":
      return renewPayment(payment, command);
    case "retryOperation":
      return retryOperation(payment, command, body.value.operationId, context);
    case "writeOffDebt":
      return writeOffDebt(payment, command, body.value, {
        owed: context.debt,
        done: succeeded(command),
      });
    case "decideDeposit":
    case "decideReview":
    case "reverseTransfer":
      throw new TerminalError(`${body.case} is decided with what stands around it`);
    case "amendPayment": {
      if (!context.known) return reject("NOT_FOUND", "the escrow has no payment");
      const fields = { chargebackLiability: liabilityOf(body.value) };
      return accept({ case: "set", fields });
    }
    case "stopProvider":
    case "acknowledgeObject":
    case "resumeProvider":
      throw new TerminalError(`${body.case} is about no escrow`);
    case undefined:
      throw new TerminalError("a command without a body");
    default:
      return body satisfies never;
  }
}

/** The terms of a payment as its creating command states them. */
export function termsOf(escrowId: string, command: CreatePaymentIntent): Terms {
  const { amount, expiresAt } = command;
  if (amount === undefined || amount.amount <= 0n) throw new TerminalError("no amount to pay");
  return {
    escrowId,
    paymentId: `pay_${hashFields("payment", escrowId).slice(0, 32)}`,
    buyerId: command.buyerId,
    sellerId: command.sellerId,
    serviceId: command.serviceId,
    provider: command.provider,
    currency: amount.currency,
    amount: amount.amount,
    buyerFee: command.buyerFee,
    sellerFee: command.sellerFee,
    chargebackLiability: liabilityOf(command),
    descriptorSuffix: command.statementDescriptorSuffix,
    expiresAt: expiresAt === undefined ? undefined : timestampDate(expiresAt),
  };
}

function liabilityOf(command: CreatePaymentIntent | AmendPayment): string {
  const { chargebackLiability: liability, chargebackSellerPercent: percent } = command;
  if (liability !== ChargebackLiability.RATIO) return ChargebackLiability[liability];
  return `RATIO:${percent}`;
}

function createPayment(payment: Payment, { known, providerKnown, now }: Context): Decision {
  if (known) return reject("ALREADY_EXISTS", "the escrow has a payment");
  if (!providerKnown) return reject("PROVIDER_UNSUPPORTED", `no provider ${payment.provider}`);
  return accept({ case: "opened", operation: creation(payment, now) });
}

function creation(payment: Payment, now: Date): Operation {
  return plainOperation("CREATE_PAYMENT", operationIdOf(payment, "create"), payment, now);
}

function plainOperation(
  kind: "CREATE_PAYMENT" | "CANCEL_PAYMENT",
  operationId: string,
  payment: Payment,
  now: Date,
): Operation {
  const total = paidByBuyer(payment);
  return newOperation({ operationId, kind, gross: total, fee: 0n, netted: 0n, net: total }, now);
}

/** The provider is told not to take money any more; opened once it has the payment. */
export function cancellation(payment: Payment, now: Date): Effect {
  const operationId = operationIdOf(payment, "cancel");
  return {
    case: "opened",
    operation: plainOperation("CANCEL_PAYMENT", operationId, payment, now),
  };
}

function operationIdOf({ escrowId, version }: Payment, what: string): string {
  const part = what === "return" ? version.toString() : "";
  const prefix = what === "return" ? returnPrefix : "op_";
  return `${prefix}${hashFields(what, escrowId, part).slice(0, 32)}`;
}

/**
 * After this nothing is accepted any more: what waits goes back, what still comes will go back.
 * A payment that had just completed stays held: the escrow module, which reads that it succeeded
 * after it cancelled, asks for its refund in full.
 */
function cancelPayment(payment: Payment, { known, now }: Context): Decision {
  if (!known) return reject("NOT_FOUND", "the escrow has no payment");
  if (payment.cancelled) return nothing;
  const { funds, providerRef } = payment;
  const open = providerRef !== undefined && !isComplete(payment);
  return accept(
    { case: "set", fields: { cancelled: true, status: statusWhenCancelled(payment) } },
    ...(open ? [cancellation(payment, now)] : []),
    ...returnPending(payment, funds.pending, now),
  );
}

const returnPrefix = "ret_";

/** A refund of what was pending, decided here; its like from the escrow is out of held. */
export function isReturn({ operationId }: Pick<Operation, "operationId">): boolean {
  return operationId.startsWith(returnPrefix);
}

/** Short, late or excess money goes back by payments' own decision; nothing while locked. */
export function returnPending(payment: Payment, amount: bigint, now: Date): Effect[] {
  if (amount === 0n || isLocked(payment) || payment.inReview) return [];
  const operationId = operationIdOf(payment, "return");
  const operation = newOperation(
    { operationId, kind: "REFUND", gross: amount, fee: 0n, netted: 0n, net: amount },
    now,
  );
  const transaction = post.pendingRefundAccepted(amount);
  return [postFor({ operationId }, transaction, transaction.change), { case: "opened", operation }];
}

export function paymentCancelled({ paymentId }: Payment): Effect {
  return say({ case: "paymentCancelled", value: create(PaymentCancelledSchema, { paymentId }) });
}

function transferToSeller(payment: Payment, asked: TransferToSeller, context: Context): Decision {
  const { operationId, fee } = asked;
  if (context.isTaken(operationId)) return reject("ALREADY_EXISTS", "operation is known");
  const gross = amountOf(payment, asked);
  if (asked.sellerId !== payment.sellerId || fee > gross) {
    throw new TerminalError(`transfer ${operationId} does not fit its payment`);
  }
  const code = transferRefusal(payment, gross, context);
  if (code !== undefined) return refuseTransfer(operationId, gross, code, context.now);
  const nettable = min(context.debt, context.nettable(gross - fee));
  const netted = floorToStep(nettable, stepOf(payment.currency));
  const amounts = { fee, netted, net: gross - fee - netted };
  const target = context.sellerAccount;
  const operation = newOperation(
    { operationId, kind: "TRANSFER", target, gross, ...amounts },
    context.now,
  );
  const tells = netted > 0n ? { reserved: -netted, released: netted } : undefined;
  const effects: Effect[] = [
    postFor({ operationId }, post.releaseAccepted(payment.sellerId, amounts), tells),
  ];
  if (netted > 0n) effects.push({ case: "netted", partyId: payment.sellerId, amount: netted });
  if (amounts.net > 0n) {
    const screened = screenPayout(payment, operation, context.now);
    // What is screened is called when the screening says so.
    const opened = screened.length > 0 ? { ...operation, dueAt: undefined } : operation;
    return accept({ case: "opened", operation: opened }, ...screened, ...effects);
  }
  return accept(
    { case: "opened", operation: { ...operation, state: "SUCCEEDED", dueAt: undefined } },
    ...effects,
    ...transferConfirmed(payment, operation),
  );
}

/** Reserved goes out, the seller's fee stays: said once per operation. */
export function transferConfirmed(payment: Payment, operation: Operation): Effect[] {
  const { operationId, net, fee, netted } = operation;
  const transaction = post.transferConfirmed(payment.provider, operation);
  return [
    postFor({ operationId }, transaction),
    say(
      {
        case: "transferSucceeded",
        value: create(TransferSucceededSchema, { operationId, net, fee, netted }),
      },
      transaction.change,
    ),
  ];
}

function transferRefusal(payment: Payment, gross: bigint, context: Context): string | undefined {
  if (isLocked(payment)) return "LOCKED";
  if (payment.funds.held < gross) return "FUNDS_UNAVAILABLE";
  if (context.providerStopped) return "PROVIDER_STOPPED";
  return context.sellerReady ? undefined : "SELLER_NOT_READY";
}

function refuseTransfer(operationId: string, gross: bigint, code: string, now: Date): Decision {
  const amounts = { gross, fee: 0n, netted: 0n, net: gross };
  const operation = newOperation({ operationId, kind: "TRANSFER", ...amounts }, now);
  return accept(
    { case: "opened", operation: { ...operation, state: "REJECTED", dueAt: undefined, code } },
    ...waitsFor(code),
    transferRejected(operationId, gross, code),
  );
}

/** Whose news the refused release waits for. */
export function waitsFor(code: string): readonly Effect[] {
  switch (code) {
    case "SELLER_NOT_READY":
      return [{ case: "set", fields: { sellerWaiting: true } }];
    case "PROVIDER_STOPPED":
      return [{ case: "set", fields: { providerWaiting: true } }];
    default:
      return [];
  }
}

/** Undoes the escrow module's own reservation. */
export function transferRejected(operationId: string, amount: bigint, code: string): Effect {
  const value = create(TransferRejectedSchema, { operationId, code, amount });
  return say({ case: "transferRejected", value }, { reserved: -amount, held: amount });
}

function initiateRefund(payment: Payment, asked: InitiateRefund, context: Context): Decision {
  const { operationId, feeReturned } = asked;
  if (context.isTaken(operationId)) return reject("ALREADY_EXISTS", "operation is known");
  const gross = amountOf(payment, asked);
  const net = gross + feeReturned;
  const operation = newOperation(
    { operationId, kind: "REFUND", gross, fee: feeReturned, netted: 0n, net },
    context.now,
  );
  const short = payment.funds.held < gross || payment.funds.fees < feeReturned;
  if (isLocked(payment) || short) {
    const code = isLocked(payment) ? "LOCKED" : "FUNDS_UNAVAILABLE";
    const value = create(RefundRejectedSchema, { operationId, code, amount: gross });
    const change = { reserved: -net, held: gross, fees: feeReturned };
    return accept(
      { case: "opened", operation: { ...operation, state: "REJECTED", dueAt: undefined, code } },
      say({ case: "refundRejected", value }, change),
    );
  }
  return accept(
    { case: "opened", operation },
    postFor({ operationId }, post.refundAccepted({ amount: gross, feeReturned })),
  );
}

function renewPayment(payment: Payment, command: Command): Decision {
  const { actor } = command;
  if (actor?.id !== payment.buyerId) return reject("NOT_THE_BUYER", "only the buyer pays");
  if (payment.cancelled) return reject("CANCELLED", "the escrow was cancelled");
  if (isComplete(payment)) return reject("ALREADY_FUNDED", "the payment is complete");
  return accept(succeeded(command));
}

function retryOperation(
  payment: Payment,
  command: Command,
  operationId: string,
  { operations, gone, contradicted, now }: Context,
): Decision {
  const refused = refuseActor(payment, command);
  if (refused !== undefined) return refused;
  const operation = operations.get(operationId);
  if (operation === undefined) return reject("OPERATION_UNKNOWN", "no such operation here");
  if (isLocked(payment)) return reject("ESCROW_LOCKED", "nothing leaves while it is locked");
  if (operation.state === "FAILED" && gone.has(operationId)) {
    return reject("ALREADY_SETTLED", "its deposit was taken away again");
  }
  if (operation.state === "FAILED" && contradicted.has(operationId)) {
    return reject("ALREADY_SETTLED", "its provider says now that it did happen");
  }
  const next = retried(operation, now);
  if (next === undefined) return reject("ALREADY_SETTLED", "the operation is finished");
  return accept({ case: "moved", operation: next }, succeeded(command));
}

function retried(operation: Operation, now: Date): Operation | undefined {
  switch (operation.state) {
    case "FAILED":
      // The provider said that it failed: that is the proof a new key needs.
      return nextAttempt(operation, now);
    case "UNKNOWN":
    case "LOOKUP":
    case "PERSON":
      return lookUpNow(operation, now);
    case "READY":
      // Without a time it waits for its screening, not for us.
      return operation.dueAt === undefined ? undefined : { ...operation, dueAt: now };
    default:
      return undefined;
  }
}

export function succeeded({ commandId, fingerprint, actor }: Command): Effect {
  const actorId = actor?.id ?? "";
  const value = create(PaymentCommandSucceededSchema, { commandId, fingerprint, actorId });
  return say({ case: "paymentCommandSucceeded", value });
}

function amountOf(payment: Payment, asked: TransferToSeller | InitiateRefund): bigint {
  const { amount, operationId } = asked;
  if (amount === undefined || amount.amount <= 0n || amount.currency !== payment.currency) {
    throw new TerminalError(`operation ${operationId} has no amount of ${payment.currency}`);
  }
  return amount.amount;
}
