/**
 * What operators decide about money that waits: a review, a deposit nobody expected. Guard order:
 * actor, exists, state, locks. A block is lifted by two operators only, whoever asks.
 */

import { Actor_Kind } from "#gen/escrow/v1/types_pb";
import type { Command, DecideDeposit, DecideReview } from "#gen/payments/v1/commands_pb";
import { DecideDeposit_Decision, DecideReview_Decision } from "#gen/payments/v1/commands_pb";
import { hashFields } from "#kernel/ids";
import { min } from "#kernel/money";
import { returnPending, succeeded } from "./decide.ts";
import { accept, type Decision, type RejectionCode, reject } from "./effect.ts";
import { isApproved, type Refused, refuseUnlessAsked } from "./operator.ts";
import { type BookedDeposit, isGone, isLocked, newOperation, type Payment } from "./payment.ts";
import type { Screening } from "./screening.ts";
import {
  block,
  clear,
  openScreeningCase,
  type ScreeningCase,
  type ScreeningSurroundings,
  unblock,
} from "./screening-case.ts";

export interface ReviewSurroundings extends ScreeningSurroundings {
  readonly deposits: ReadonlyMap<string, BookedDeposit>;
}

export function decideReview(
  payment: Payment,
  command: Command,
  { reviewId, decision }: DecideReview,
  given: ReviewSurroundings,
): Decision {
  const refused = refuseUnlessAsked(payment, command);
  if (refused !== undefined) return refused;
  const screening = given.screenings.get(reviewId);
  if (screening === undefined) return reject("REVIEW_UNKNOWN", "no such review here");
  const asked = openScreeningCase(payment, given);
  const decided = { ...screening, decidedBy: decidersOf(command), reason: "OPERATOR" };
  const no =
    decision === DecideReview_Decision.BLOCK
      ? blockBy(asked, decided)
      : clearBy(asked, decided, command);
  return no ?? done(asked, command);
}

function blockBy(asked: ScreeningCase, screening: Screening): Refused | undefined {
  if (screening.state !== "DUE" && screening.state !== "HELD") return settled;
  block(asked, screening);
  return undefined;
}

function clearBy(
  asked: ScreeningCase,
  screening: Screening,
  command: Command,
): Refused | undefined {
  switch (screening.state) {
    case "HELD":
      clear(asked, screening);
      return undefined;
    case "BLOCKED":
      if (!isApproved(asked.money.payment(), command)) {
        return refusal("APPROVAL_REQUIRED", "two operators unblock the escrow");
      }
      unblock(asked, screening);
      return undefined;
    case "DUE":
      return refusal("SCREENING_PENDING", "nobody has answered yet: nothing is taken unscreened");
    case "CLEARED":
    case "LIFTED":
      return settled;
    default:
      return screening.state satisfies never;
  }
}

export function decideDeposit(
  payment: Payment,
  command: Command,
  { depositId, decision }: DecideDeposit,
  given: ReviewSurroundings,
): Decision {
  const refused = refuseUnlessAsked(payment, command);
  if (refused !== undefined) return refused;
  const deposit = given.deposits.get(depositId);
  if (deposit === undefined) return reject("DEPOSIT_UNKNOWN", "no such deposit here");
  if (isGone(deposit)) return reject("ALREADY_SETTLED", "it was taken away again");
  const screening = [...given.screenings.values()].find((known) => known.depositId === depositId);
  if (decision === DecideDeposit_Decision.ACCEPT) {
    if (deposit.currency !== payment.currency) {
      return reject("WRONG_ASSET", "another asset can only be given back");
    }
    if (screening?.state !== "HELD") return reject("NOT_WAITING", "no operator has to decide it");
    const asked = openScreeningCase(payment, given);
    clear(asked, { ...screening, decidedBy: decidersOf(command), reason: "OPERATOR" });
    return done(asked, command);
  }
  if (screening?.state === "DUE" || screening?.state === "HELD") {
    return reject("SCREENING_PENDING", "who sent it is not known to be clear");
  }
  if (isLocked(payment) || screening?.state === "BLOCKED") {
    return reject("ESCROW_LOCKED", "nothing leaves while it is locked");
  }
  if (payment.inReview && deposit.currency === payment.currency) {
    return reject("SCREENING_PENDING", "another deposit is not known to be clear");
  }
  return giveBack(payment, command, deposit, given);
}

function giveBack(
  payment: Payment,
  command: Command,
  { depositId, amount, currency }: BookedDeposit,
  { around }: ReviewSurroundings,
): Decision {
  const given = [...around.operations.values()].find(
    (known) => known.depositId === depositId && known.state !== "WITHDRAWN",
  );
  if (given !== undefined) return settled;
  const { now } = around;
  if (currency !== payment.currency) {
    const operationId = `sus_${hashFields(payment.escrowId, depositId, command.commandId).slice(0, 32)}`;
    const operation = newOperation(
      {
        operationId,
        kind: "REFUND",
        gross: amount,
        fee: 0n,
        netted: 0n,
        net: amount,
        depositId,
        asset: currency,
      },
      now,
    );
    return accept({ case: "opened", operation }, succeeded(command));
  }
  const waiting = min(amount, payment.funds.pending);
  if (waiting === 0n) return settled;
  const effects = returnPending(payment, waiting, now).map((effect) =>
    effect.case === "opened"
      ? { ...effect, operation: { ...effect.operation, depositId } }
      : effect,
  );
  return accept(...effects, succeeded(command));
}

const settled: Refused = refusal("ALREADY_SETTLED", "it has been decided");

function refusal(code: RejectionCode, detail: string): Refused {
  return { rejected: { code, detail } };
}

function done({ money }: ScreeningCase, command: Command): Decision {
  // Nobody waits for what the escrow asks on its own.
  const asked = command.actor?.kind === Actor_Kind.SYSTEM ? [] : [succeeded(command)];
  return accept(...money.effects, ...asked);
}

function decidersOf({ approvedBy, actor }: Command): readonly string[] {
  return approvedBy.length > 0 ? approvedBy : [actor?.id ?? ""];
}
