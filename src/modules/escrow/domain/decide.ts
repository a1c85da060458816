/**
 * Judges a command or a payments' fact against one escrow: events, or why not. Pure and total;
 * whoever commands passes the guards in their order (`guardOrder`). Facts are never refused.
 */
import type { Escrow } from "#gen/escrow/v1/types_pb";
import * as agreement from "./decide-agreement.ts";
import * as dispute from "./decide-dispute.ts";
import { unblockEscrow } from "./decide-locks.ts";
import { decideFact } from "./decide-payments.ts";
import * as release from "./decide-release.ts";
import * as timers from "./decide-timers.ts";
import { Code, type Draft, reject, startDraft } from "./draft.ts";
import { isMember } from "./guards.ts";
import type { Context, Decision, Input } from "./messages.ts";

export function decide(state: Escrow | undefined, input: Input, context: Context): Decision {
  const member = (judge: (draft: Draft) => Decision) => ofMember(state, context, judge);
  const timer = (judge: (draft: Draft) => Decision) =>
    member((draft) => timers.timerGuard(context) ?? judge(draft));
  switch (input.case) {
    case "createEscrow":
      return agreement.createEscrow(state, input.value, context);
    case "acceptTerms":
      return member((draft) => agreement.acceptTerms(draft, input.value, context));
    case "amendTerms":
      return member((draft) => agreement.amendTerms(draft, input.value, context));
    case "cancelEscrow":
      return member((draft) => agreement.cancelEscrow(draft, input.value, context));
    case "markDelivered":
      return member((draft) => release.markDelivered(draft, input.value, context));
    case "releaseFunds":
      return member((draft) => release.releaseFunds(draft, input.value, context));
    case "refundEscrow":
      return member((draft) => release.refundEscrow(draft, input.value, context));
    case "raiseDispute":
      return member((draft) => dispute.raiseDispute(draft, input.value, context));
    case "withdrawDispute":
      return member((draft) => dispute.withdrawDispute(draft, input.value, context));
    case "resolveDispute":
      return member((draft) => dispute.resolveDispute(draft, input.value, context));
    case "addEvidence":
      return member((draft) => dispute.addEvidence(draft, input.value, context));
    case "offerSettlement":
      return member((draft) => dispute.offerSettlement(draft, input.value, context));
    case "acceptSettlement":
      return member((draft) => dispute.acceptSettlement(draft, input.value, context));
    case "unblockEscrow":
      return member((draft) => unblockEscrow(draft, input.value, context));
    case "expireFunding":
      return timer((draft) => timers.expireFunding(draft, input.value));
    case "expireDelivery":
      return timer((draft) => timers.expireDelivery(draft, input.value));
    case "autoRelease":
      return timer((draft) => timers.autoRelease(draft, input.value));
    case "resolveByDefault":
      return timer((draft) => timers.resolveByDefault(draft, input.value));
    case "remind":
      return timer((draft) => timers.remind(draft, input.value));
    default:
      return decideFact(state, input, context);
  }
}

function ofMember(
  state: Escrow | undefined,
  context: Context,
  judge: (draft: Draft) => Decision,
): Decision {
  if (!state || !isMember(state, context.actor)) return reject(Code.NOT_FOUND, "no such escrow");
  const { expectedVersion } = context;
  if (expectedVersion !== 0n && expectedVersion !== state.version) {
    return reject(Code.VERSION_MOVED, `the version is ${state.version}`);
  }
  return judge(startDraft(state, context));
}
