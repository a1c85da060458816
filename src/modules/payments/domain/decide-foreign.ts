/** An operator's word on money that somebody else moved. Pure. */
import type { Command } from "#gen/payments/v1/commands_pb";
import type { Surroundings } from "./bank-case.ts";
import { succeeded } from "./decide.ts";
import { accept, type Decision, reject } from "./effect.ts";
import { foreignCleared } from "./observe-dispute.ts";
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
  if (dispute?.kind !== "FOREIGN_REFUND" && dispute?.kind !== "FOREIGN_REVERSAL") return undefined;
  const refused = refuseActor(payment, command);
  if (refused !== undefined) return refused;
  const effects = foreignCleared(payment, dispute.disputeId, around);
  if (effects === undefined) return reject("ALREADY_SETTLED", "somebody has looked at it");
  return accept(...effects, succeeded(command));
}
