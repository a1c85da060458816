/**
 * What payments asks of a seller's account by itself: back, when a bank took what he was paid; and
 * out again, when it turned out that he owed nothing. Pure. A reversal repays debt; what is no
 * longer owed when it arrives becomes payable to him and is transferred anew.
 */
import { create } from "@bufbuild/protobuf";
import { ReversalFailedSchema, TransferReversedSchema } from "#gen/payments/v1/events_pb";
import { hashFields } from "#kernel/ids";
import { floorToStep, max, min, stepOf, sum, takeInOrder } from "#kernel/money";
import * as post from "../ledger/post.ts";
import { payableNetted, transferReversed } from "../ledger/post-dispute.ts";
import type { ProviderReversal, ProviderTransfer } from "../provider.ts";
import type { BankCase } from "./bank-case.ts";
import { type Effect, postFor, say } from "./effect.ts";
import { feePaid } from "./fee-paid.ts";
import { newOperation, type Operation, type Payment } from "./payment.ts";

/** Asks back what the seller owes now and the payment's transfers still allow. */
export function reverseTransfers(bankCase: BankCase, amount: bigint): void {
  const { escrowId, version } = bankCase.payment();
  const transfers = bankCase.operations().filter(isPaidOut);
  const { parts } = takeInOrder(
    amount,
    transfers.map((transfer) => reversible(transfer, bankCase.operations())),
  );
  transfers.forEach(({ operationId, objectId = "" }, i) => {
    const net = parts[i] ?? 0n;
    if (net === 0n) return;
    const id = `op_${hashFields("reversal", escrowId, version.toString(), operationId).slice(0, 32)}`;
    bankCase.add(opened("REVERSAL", id, objectId, net, bankCase.now));
  });
}

/** What is owed to the seller goes to the account he has now. */
export function transferAnew(payment: Payment, amount: bigint, to: string, now: Date): Effect[] {
  if (amount === 0n) return [];
  const { escrowId, version } = payment;
  const id = `op_${hashFields("retransfer", escrowId, version.toString()).slice(0, 32)}`;
  return [opened("RETRANSFER", id, to, amount, now)];
}

/** Reversals that nobody sent are for a debt that is gone. */
export function withdrawReversals(bankCase: BankCase, debtGone: bigint): void {
  let left = debtGone;
  for (const operation of bankCase.operations()) {
    const unsent = operation.state === "READY" && operation.tries === 0;
    if (operation.kind !== "REVERSAL" || !unsent || operation.net > left) continue;
    left -= operation.net;
    bankCase.add({
      case: "moved",
      operation: { ...operation, state: "WITHDRAWN", dueAt: undefined, code: "REINSTATED" },
    });
  }
}

export interface SellerNow {
  readonly now: Date;
  readonly owed: bigint;
  readonly sellerAccount: string;
}

export function reversalSeen(
  payment: Payment,
  object: ProviderReversal,
  operation: Operation,
  seller: SellerNow,
): readonly Effect[] {
  if (operation.state === "SUCCEEDED" || operation.state === "WITHDRAWN") return [];
  if (object.status === "failed") {
    return reversalFailed(payment, operation, { code: "PROVIDER_REFUSED", now: seller.now });
  }
  const { operationId } = operation;
  const { provider, sellerId } = payment;
  const { amount, objectId } = object;
  const debt = min(amount, seller.owed);
  const payable = amount - debt;
  const value = create(TransferReversedSchema, { operationId, amount });
  const moved = { ...operation, state: "SUCCEEDED", objectId, dueAt: undefined, code: "" } as const;
  return [
    { case: "moved", operation: moved },
    postFor({ operationId }, transferReversed(provider, sellerId, { debt, payable })),
    ...netted(sellerId, debt),
    say({ case: "transferReversed", value }),
    ...transferAnew(payment, payable, seller.sellerAccount, seller.now),
  ];
}

/**
 * The seller's balance was too small, or his account is gone: what he owes stays a debt. Of a small
 * balance a part may be had: half is tried, down to a sixteenth of the payment.
 */
export function reversalFailed(
  payment: Payment,
  operation: Operation,
  { code, now }: { readonly code: string; readonly now: Date },
): readonly Effect[] {
  if (operation.state === "REJECTED") return [];
  const { operationId, net, target } = operation;
  const value = create(ReversalFailedSchema, { operationId, code });
  const half = floorToStep(net / 2n, stepOf(payment.currency));
  const id = `op_${hashFields("reversal of half", operationId).slice(0, 32)}`;
  const again = code === "BALANCE_TOO_SMALL" && half > 0n && half * 16n >= payment.amount;
  return [
    { case: "moved", operation: { ...operation, state: "REJECTED", dueAt: undefined, code } },
    say({ case: "reversalFailed", value }),
    ...(again ? [opened("REVERSAL", id, target, half, now)] : []),
  ];
}

export function retransferSeen(
  payment: Payment,
  { status, objectId, fee }: ProviderTransfer,
  operation: Operation,
): readonly Effect[] {
  if (operation.state === "SUCCEEDED" || operation.state === "FAILED") return [];
  const next = { ...operation, objectId, dueAt: undefined, code: "" };
  if (status === "pending") {
    return operation.state === "PENDING"
      ? []
      : [{ case: "moved", operation: { ...next, state: "PENDING" } }];
  }
  if (status === "failed") return retransferFailed(operation, "PROVIDER_REFUSED");
  const { operationId, net } = operation;
  const paid = post.payablePaid(payment.provider, payment.sellerId, net);
  return [
    { case: "moved", operation: { ...next, state: "SUCCEEDED" } },
    postFor({ operationId }, paid),
    ...feePaid(payment.provider, operation, fee),
  ];
}

/**
 * He came to owe something before what is payable to him left: that is kept first, as of a release,
 * once for all its attempts. Undefined: nothing is to be kept.
 */
export function retransferNetted(
  payment: Payment,
  operation: Operation,
  { owed, nettable }: { readonly owed: bigint; readonly nettable: (net: bigint) => bigint },
): { readonly operation: Operation; readonly effects: readonly Effect[] } | undefined {
  const { operationId, gross, net, netted: before } = operation;
  const most = min(min(owed, max(nettable(gross) - before, 0n)), net);
  const kept = floorToStep(most, stepOf(payment.currency));
  if (kept <= 0n) return undefined;
  const rest = { ...operation, netted: before + kept, net: net - kept };
  const done = { ...rest, state: "SUCCEEDED", dueAt: undefined, code: "" } as const;
  const next = rest.net === 0n ? done : rest;
  return {
    operation: next,
    effects: [
      postFor({ operationId }, payableNetted(payment.sellerId, kept)),
      ...netted(payment.sellerId, kept),
      { case: "moved", operation: next },
    ],
  };
}

/** It stays payable to him until another attempt. */
export function retransferFailed(operation: Operation, code: string): readonly Effect[] {
  return [{ case: "moved", operation: { ...operation, state: "FAILED", dueAt: undefined, code } }];
}

/** What the seller owes less, or more when negative. */
export function netted(partyId: string, amount: bigint): Effect[] {
  return amount === 0n ? [] : [{ case: "netted", partyId, amount }];
}

export function isPaidOut({ kind, state, objectId }: Operation): boolean {
  return (
    (kind === "TRANSFER" || kind === "RETRANSFER") &&
    state === "SUCCEEDED" &&
    objectId !== undefined
  );
}

export function reversible({ net, objectId }: Operation, operations: readonly Operation[]): bigint {
  const gone = operations
    .filter(({ kind, target }) => kind === "REVERSAL" && target === objectId)
    .filter(({ state }) => state !== "REJECTED" && state !== "WITHDRAWN")
    .map((reversal) => reversal.net);
  return max(net - sum(gone), 0n);
}

export function opened(
  kind: "REVERSAL" | "RETRANSFER",
  operationId: string,
  target: string,
  net: bigint,
  now: Date,
): Effect {
  const amounts = { gross: net, fee: 0n, netted: 0n, net };
  return {
    case: "opened",
    operation: newOperation({ operationId, kind, target, ...amounts }, now),
  };
}
