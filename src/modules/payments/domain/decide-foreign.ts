/** An operator's word on what a provider told of: money that somebody else moved, an inquiry, a warning. Pure. */
import type { Command } from "#gen/payments/v1/commands_pb";
import type { Surroundings } from "./bank-case.ts";
import { succeeded } from "./decide.ts";
import { accept, type Decision, reject } from "./effect.ts";
import { foreignCleared, riskSetAside } from "./observe-dispute.ts";
import { refuseActor } from "./operator.ts";
import type { Payment } from "./payment.ts";

/** Undefined: the command is about something else. */
export function decideForeign(
  payment: Payment,
  command: Command,
  around: Surroundings,
): Decision | undefined {
  if (command.body.case !== "decideReview") return undefined;
  const dispute = around.disputes.get(command.body.value.reviewId);
  if (dispute === undefined) return undefined;
  const refused = refuseActor(payment, command);
  if (refused !== undefined) return refused;
  const { disputeId, kind, lock } = dispute;
  const moved = kind === "FOREIGN_REFUND" || kind === "FOREIGN_REVERSAL";
  if (!moved && lock === "CHARGEBACK") {
    return reject("NOT_WAITING", "only the bank ends its dispute");
  }
  const effects = moved
    ? foreignCleared(payment, disputeId, around)
    : riskSetAside(payment, disputeId, around);
  if (effects === undefined) return reject("ALREADY_SETTLED", "nothing is left to set aside");
  return accept(...effects, succeeded(command));
}
