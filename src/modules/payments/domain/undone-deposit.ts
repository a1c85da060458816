/**
 * A deposit of another asset that a reorganisation took away after it was final: it was nobody's, in
 * suspense, and is gone from there. What an operator had decided to send back is not sent; what was
 * sent all the same is the platform's loss. Pure. Nothing of the escrow's own money moves.
 */
import { create } from "@bufbuild/protobuf";
import { ForeignMovementSeenSchema } from "#gen/payments/v1/events_pb";
import { TerminalError } from "#platform/errors";
import { depositLost, depositUndone } from "../ledger/post-suspense.ts";
import type { UndoneDeposit } from "../provider.ts";
import { type Effect, postFor, say } from "./effect.ts";
import type { BookedDeposit, Operation, Payment } from "./payment.ts";
import { neverHappened } from "./withdraw.ts";
import { waitsAgain } from "./wrong-asset.ts";

export interface AroundDeposit {
  /** Undefined: it was never booked. */
  readonly deposit: BookedDeposit | undefined;
  /** Those that move money, all of this escrow. */
  readonly operations: ReadonlyMap<string, Operation>;
}

/** Undefined: its way back was asked for, and nobody knows yet whether it was gone. */
export function depositUndoneSeen(
  payment: Payment,
  { objectId, amount, currency }: UndoneDeposit,
  { deposit, operations }: AroundDeposit,
): readonly Effect[] | undefined {
  if (deposit?.disposition === "UNDONE") return [];
  if (deposit?.amount !== amount || deposit.currency !== currency) {
    throw new TerminalError(`${objectId} undoes a deposit that was never booked so`);
  }
  if (currency === payment.currency) {
    throw new TerminalError(`${objectId} undoes money of the payment, and is no dispute`);
  }
  const { depositId } = deposit;
  const back = [...operations.values()].find(
    (known) => known.depositId === depositId && known.state !== "WITHDRAWN",
  );
  const sent = back?.state === "SUCCEEDED";
  if (back !== undefined && !sent && !neverHappened(back)) return undefined;
  const gone = sent ? depositLost : depositUndone;
  const value = create(ForeignMovementSeenSchema, { kind: "deposit_undone", amount, currency });
  return [
    { case: "undone", depositId },
    ...(back === undefined || sent ? [] : [withdrawn(back)]),
    postFor({ depositId: objectId }, gone(payment.provider, amount, currency)),
    say({ case: "foreignMovementSeen", value }),
    ...(sent ? [] : waitsAgain(payment)),
  ];
}

function withdrawn(operation: Operation): Effect {
  const undone = { state: "WITHDRAWN", dueAt: undefined, code: "DEPOSIT_UNDONE" } as const;
  return { case: "moved", operation: { ...operation, ...undone } };
}
