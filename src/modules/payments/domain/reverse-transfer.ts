/**
 * Two operators collect what a seller owes out of a transfer he was paid. Never more than he owes,
 * less what is being taken back already: there is nobody else the money could belong to. Pure.
 */
import type { Command, ReverseTransfer } from "#gen/payments/v1/commands_pb";
import type { Surroundings } from "./bank-case.ts";
import { succeeded } from "./decide.ts";
import { accept, type Decision, reject } from "./effect.ts";
import { isApproved, refuseActor } from "./operator.ts";
import type { Payment } from "./payment.ts";
import { isPaidOut, opened, reversible } from "./reversal.ts";

export interface Debtor extends Surroundings {
  /** Of all his escrows in this currency, what is being taken back from him; minor units. */
  readonly reversing: bigint;
}

export function reverseTransfer(
  payment: Payment,
  command: Command,
  { transferOperationId, amount }: ReverseTransfer,
  { operations, owed, reversing, now }: Debtor,
): Decision {
  const refused = refuseActor(payment, command);
  if (refused !== undefined) return refused;
  if (!isApproved(payment, command)) {
    return reject("APPROVAL_REQUIRED", "a second operator approves first");
  }
  const transfer = operations.get(transferOperationId);
  if (transfer === undefined || !isPaidOut(transfer)) {
    return reject("OPERATION_UNKNOWN", "no transfer that was paid out");
  }
  const net = amount?.amount ?? 0n;
  if (net <= 0n || amount?.currency !== payment.currency) {
    return reject("AMOUNT", `an amount of ${payment.currency}`);
  }
  const all = [...operations.values()];
  const left = owed - reversing;
  if (net > left) return reject("NOTHING_OWED", `he owes ${left > 0n ? left : 0n}`);
  if (net > reversible(transfer, all)) return reject("AMOUNT", "more than the transfer allows");
  const operationId = `op_${command.commandId.slice(0, 32)}`;
  const target = transfer.objectId ?? "";
  return accept(opened("REVERSAL", operationId, target, net, now), succeeded(command));
}
