/** Two operators forgive what a seller owes: the platform bears it. Pure. */
import type { Command, WriteOffDebt } from "#gen/payments/v1/commands_pb";
import { debtWrittenOff } from "../ledger/post-dispute.ts";
import { accept, type Decision, type Effect, postFor, reject } from "./effect.ts";
import { refuseActor } from "./operator.ts";
import type { Payment } from "./payment.ts";

/** `owed`: what he owes in the payment's currency, locked. `done`: says that the command succeeded. */
export function writeOffDebt(
  payment: Payment,
  command: Command,
  { partyId, amount }: WriteOffDebt,
  { owed, done }: { readonly owed: bigint; readonly done: Effect },
): Decision {
  const refused = refuseActor(payment, command);
  if (refused !== undefined) return refused;
  const { commandId, approvedBy } = command;
  const operators = new Set(approvedBy.filter((id) => id !== "" && id !== partyId));
  if (operators.size < 2) return reject("APPROVAL_REQUIRED", "a second operator approves first");
  const forgiven = amount?.amount ?? 0n;
  if (partyId !== payment.sellerId || amount?.currency !== payment.currency || forgiven <= 0n) {
    return reject("NOTHING_OWED", "the party owes nothing here");
  }
  if (forgiven > owed) return reject("AMOUNT", `only ${owed} is owed`);
  return accept(
    postFor({ operationId: `op_${commandId.slice(0, 32)}` }, debtWrittenOff(partyId, forgiven)),
    { case: "netted", partyId, amount: forgiven },
    done,
  );
}
