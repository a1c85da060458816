/**
 * Judges a command or a payments' fact against one escrow: events, or why not. Pure and total; the
 * order of guards is always exists, member, state, actor, rule. Facts are never refused.
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
import type { CommandBody, Context, Decision, Input } from "./messages.ts";

export function decide(state: Escrow | undefined, input: Input, context: Context): Decision {
  switch (input.case) {
    case "createEscrow":
      return agreement.createEscrow(state, input.value, context);
    case "acceptTerms":
    case "cancelEscrow":
    case "markDelivered":
    case "releaseFunds":
    case "refundEscrow":
    case "raiseDispute":
    case "withdrawDispute":
    case "resolveDispute":
    case "addEvidence":
    case "amendTerms":
    case "offerSettlement":
    case "acceptSettlement":
    case "unblockEscrow":
      return ofMember(state, context, (draft) => decidePerson(draft, input, context));
    case "expireFunding":
    case "expireDelivery":
    case "autoRelease":
    case "resolveByDefault":
    case "remind":
      return ofMember(state, context, (draft) => decideTimer(draft, input, context));
    default:
      return decideFact(state, input, context);
  }
}

type TimerBody = Extract<
  CommandBody,
  { case: "expireFunding" | "expireDelivery" | "autoRelease" | "resolveByDefault" | "remind" }
>;
type PersonBody = Exclude<CommandBody, TimerBody | { case: "createEscrow" }>;

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

function decidePerson(draft: Draft, input: PersonBody, context: Context): Decision {
  switch (input.case) {
    case "acceptTerms":
      return agreement.acceptTerms(draft, input.value, context);
    case "amendTerms":
      return agreement.amendTerms(draft, input.value, context);
    case "cancelEscrow":
      return agreement.cancelEscrow(draft, input.value, context);
    case "markDelivered":
      return release.markDelivered(draft, input.value, context);
    case "releaseFunds":
      return release.releaseFunds(draft, input.value, context);
    case "refundEscrow":
      return release.refundEscrow(draft, input.value, context);
    case "raiseDispute":
      return dispute.raiseDispute(draft, input.value, context);
    case "withdrawDispute":
      return dispute.withdrawDispute(draft, input.value, context);
    case "resolveDispute":
      return dispute.resolveDispute(draft, input.value, context);
    case "addEvidence":
      return dispute.addEvidence(draft, input.value, context);
    case "offerSettlement":
      return dispute.offerSettlement(draft, input.value, context);
    case "acceptSettlement":
      return dispute.acceptSettlement(draft, input.value, context);
    case "unblockEscrow":
      return unblockEscrow(draft, input.value, context);
    default:
      return input satisfies never;
  }
}

function decideTimer(draft: Draft, input: TimerBody, context: Context): Decision {
  const rejected = timers.timerGuard(context);
  if (rejected) return rejected;
  switch (input.case) {
    case "expireFunding":
      return timers.expireFunding(draft, input.value);
    case "expireDelivery":
      return timers.expireDelivery(draft, input.value);
    case "autoRelease":
      return timers.autoRelease(draft, input.value);
    case "resolveByDefault":
      return timers.resolveByDefault(draft, input.value);
    case "remind":
      return timers.remind(draft, input.value);
    default:
      return input satisfies never;
  }
}
