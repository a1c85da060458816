/**
 * A deposit of another asset that a reorganisation took away after it was final: it was nobody's, in
 * suspense, and is gone from there. What an operator had decided to send back is not sent; what was
 * sent all the same is the platform's loss. Pure. Nothing of the escrow's own money moves. One of the
 * payment's own asset is taken as a bank takes money, and only marked here.
 */
import { create } from "@bufbuild/protobuf";
import { ForeignMovementSeenSchema } from "#gen/payments/v1/events_pb";
import { TerminalError } from "#platform/errors";
import { depositLost, depositUndone } from "../ledger/post-suspense.ts";
import type { ProviderDispute, UndoneDeposit } from "../provider.ts";
import { lookUpNow } from "./calls.ts";
import { type Effect, postFor, say } from "./effect.ts";
import { evolveAll } from "./evolve.ts";
import { type BookedDeposit, isGone, type Operation, type Payment } from "./payment.ts";
import { awaited } from "./payment-status.ts";
import { neverHappened } from "./withdraw.ts";
import { backWithdrawn, waitsAgain } from "./wrong-asset.ts";

export interface AroundDeposit {
  /** Undefined: it was never booked. */
  readonly deposit: BookedDeposit | undefined;
  /** Those that move money, all of this escrow. */
  readonly operations: ReadonlyMap<string, Operation>;
  readonly now: Date;
}

export interface DepositUndone {
  readonly effects: readonly Effect[];
  /** Its way back was asked for, and nobody knows yet whether that happened. */
  readonly waits: boolean;
}

export function depositUndoneSeen(
  payment: Payment,
  { objectId, amount, currency }: UndoneDeposit,
  { deposit, operations, now }: AroundDeposit,
): DepositUndone {
  if (deposit?.disposition === "UNDONE") return { effects: [], waits: false };
  if (deposit?.amount !== amount || deposit.currency !== currency) {
    throw new TerminalError(`${objectId} undoes a deposit that was never booked so`);
  }
  if (currency === payment.currency) {
    throw new TerminalError(`${objectId} undoes money of the payment, and is no dispute`);
  }
  const { depositId, disposition } = deposit;
  const back = [...operations.values()].find(
    (known) => known.depositId === depositId && known.state !== "WITHDRAWN",
  );
  const sent = back?.state === "SUCCEEDED";
  if (back !== undefined && !sent && !neverHappened(back)) {
    const marked: Effect = { case: "undone", depositId, gone: "REVERTED" };
    const first = disposition === "REVERTED" ? [] : [marked];
    return { effects: [...first, ...lookedUp(back, now)], waits: true };
  }
  const gone = sent ? depositLost : depositUndone;
  const value = create(ForeignMovementSeenSchema, { kind: "deposit_undone", amount, currency });
  const effects: readonly Effect[] = [
    { case: "undone", depositId, gone: "UNDONE" },
    ...(back === undefined || sent ? [] : [backWithdrawn(back)]),
    postFor({ depositId: objectId }, gone(payment.provider, amount, currency)),
    say({ case: "foreignMovementSeen", value }),
    ...(sent ? [] : waitsAgain(payment)),
  ];
  return { effects, waits: false };
}

/**
 * One of the payment's own asset, `taken` as a bank's dispute takes money: it waits for no decision
 * any more, so that no other is given back in its place.
 */
export function depositTaken(
  payment: Payment,
  { depositId = "" }: ProviderDispute,
  taken: readonly Effect[],
  deposits: ReadonlyMap<string, BookedDeposit>,
): readonly Effect[] {
  const deposit = deposits.get(depositId);
  if (deposit === undefined || isGone(deposit)) return taken;
  const after = evolveAll(payment, taken);
  const status = after.status === "UNDERFUNDED" ? awaited(after) : after.status;
  return [
    ...taken,
    { case: "undone", depositId, gone: "UNDONE" },
    ...(status === after.status ? [] : [{ case: "set", fields: { status } } as const]),
  ];
}

/** It is never called again: what it would send now is another deposit. */
function lookedUp(operation: Operation, now: Date): readonly Effect[] {
  if (operation.state !== "READY" && operation.state !== "UNKNOWN") return [];
  return [{ case: "moved", operation: lookUpNow(operation, now) }];
}
