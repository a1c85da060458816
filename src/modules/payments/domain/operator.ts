/**
 * Who may decide on an escrow's money as an operator: an admin who is no party of it and acts for
 * nobody. The one rule behind every operator's command of payments. Pure.
 */
import { Actor_Kind } from "#gen/escrow/v1/types_pb";
import type { Command } from "#gen/payments/v1/commands_pb";
import { standingOf } from "#kernel/standing";
import type { Decision } from "./effect.ts";
import type { Payment } from "./payment.ts";

export type Refused = Extract<Decision, { readonly rejected: object }>;

type Members = Pick<Payment, "buyerId" | "sellerId" | "serviceId">;

export function refuseActor(members: Members, { actor }: Command): Refused | undefined {
  if (actor !== undefined && standingOf(members, actor) === "operator") return undefined;
  return { rejected: { code: "ROLE_REQUIRED", detail: "needs role admin, and to be no party" } };
}

/** The escrow itself too, for two operators who were asked there. */
export function refuseUnlessAsked(members: Members, command: Command): Refused | undefined {
  return command.actor?.kind === Actor_Kind.SYSTEM ? undefined : refuseActor(members, command);
}

/** Two people, neither of whom has a part in it. */
export function isApproved(members: Members, { approvedBy }: Command): boolean {
  const { buyerId, sellerId } = members;
  const operators = new Set(approvedBy.filter((id) => id !== buyerId && id !== sellerId));
  return operators.size >= 2;
}
