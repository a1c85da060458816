/**
 * What deadlines do. A timer's command that names no running timer changes nothing: it was paused,
 * dropped or armed anew since.
 */
import { create } from "@bufbuild/protobuf";
import {
  EscrowDeadlineApproachingSchema,
  EscrowDeadlinePassedSchema,
} from "#gen/escrow/v1/events_pb";
import {
  type Escrow,
  type Milestone,
  Terms_Outcome,
  type Timer,
  Timer_Kind,
} from "#gen/escrow/v1/types_pb";
import { assert, required } from "#kernel/assert";
import { max, sum } from "#kernel/money";
import { cancelNow } from "./decide-agreement.ts";
import { disputed, settle } from "./decide-dispute.ts";
import { Code, type Draft, nothing, reject } from "./draft.ts";
import { disputeOn, free, termsOf } from "./escrow.ts";
import { sharesInOrder } from "./funds.ts";
import { isSystem } from "./guards.ts";
import type { CommandOf, Context, Decision } from "./messages.ts";
import { requestRefund, requestRelease } from "./requests.ts";
import { dueOf } from "./timers.ts";

/** Who cancels when a deadline does. */
const timerActorId = "timer";

export function expireFunding(draft: Draft, command: CommandOf<"expireFunding">): Decision {
  const timer = running(draft.escrow, Timer_Kind.FUNDING, command);
  if (!timer) return nothing;
  passed(draft, timer);
  cancelNow(draft, { by: timerActorId, cause: "FUNDING_DEADLINE" });
  return draft.decision();
}

export function expireDelivery(draft: Draft, command: CommandOf<"expireDelivery">): Decision {
  const { escrow } = draft;
  const timer = running(escrow, Timer_Kind.DELIVERY, command);
  if (!timer) return nothing;
  passed(draft, timer);
  const late = escrow.milestones.filter(
    (m) => !m.delivered && !disputeOn(escrow, m.milestoneId) && free(m) > 0n,
  );
  const request =
    termsOf(escrow).deliveryOutcome === Terms_Outcome.RELEASE ? requestRelease : requestRefund;
  request(draft, freeShares(draft.escrow, late), { rule: "DELIVERY_DEADLINE" });
  return draft.decision();
}

export function autoRelease(draft: Draft, command: CommandOf<"autoRelease">): Decision {
  const { escrow } = draft;
  const timer = running(escrow, Timer_Kind.AUTO_RELEASE, command);
  if (!timer) return nothing;
  const milestones = escrow.milestones.filter((m) => m.milestoneId === timer.milestoneId);
  passed(draft, timer);
  requestRelease(draft, freeShares(draft.escrow, milestones), { rule: "AUTO_RELEASE" });
  return draft.decision();
}

export function resolveByDefault(draft: Draft, command: CommandOf<"resolveByDefault">): Decision {
  const { escrow } = draft;
  const timer = running(escrow, Timer_Kind.ARBITER, command);
  if (!timer) return nothing;
  const milestones = disputed(escrow, timer.milestoneId);
  const total = sum(milestones.map(free));
  assert(total > 0n, "an arbiter's deadline runs on locked money");
  const toSeller = termsOf(escrow).defaultOutcome === Terms_Outcome.RELEASE;
  passed(draft, timer);
  const [buyer, seller] = toSeller ? [0n, total] : [total, 0n];
  settle(draft, { milestones, buyer, seller, by: "DEFAULT" });
  return draft.decision();
}

export function remind(draft: Draft, command: CommandOf<"remind">): Decision {
  const { escrow } = draft;
  const timer = running(escrow, Timer_Kind.REMINDER, command);
  if (!timer) return nothing;
  const deadline = escrow.timers.find(
    (t) => t.kind === timer.announces && t.milestoneId === timer.milestoneId,
  );
  const value = create(EscrowDeadlineApproachingSchema, {
    kind: timer.announces,
    milestoneId: timer.milestoneId,
    dueAt: dueOf(required(deadline, "the reminder's deadline")),
    before: timer.before,
  });
  draft.say({ case: "deadlineApproaching", value });
  return draft.decision();
}

/** Timers' commands come from the system alone. */
export function timerGuard({ actor }: Context): Decision | undefined {
  return isSystem(actor) ? undefined : reject(Code.ROLE_REQUIRED, "only a timer says this");
}

function running(
  escrow: Escrow,
  kind: Timer_Kind,
  { generation }: { generation: number },
): Timer | undefined {
  return escrow.timers.find(
    (timer) => timer.kind === kind && timer.generation === generation && !timer.paused,
  );
}

function passed(draft: Draft, timer: Timer): void {
  const { kind, milestoneId } = timer;
  const dueAt = dueOf(timer);
  const value = create(EscrowDeadlinePassedSchema, { kind, milestoneId, dueAt });
  draft.say({ case: "deadlinePassed", value });
}

function freeShares(escrow: Escrow, milestones: readonly Milestone[]) {
  const named = new Set(milestones.map((m) => m.milestoneId));
  const available = (m: Milestone) => (named.has(m.milestoneId) ? max(free(m), 0n) : 0n);
  return sharesInOrder(escrow, sum(escrow.milestones.map(available)), available);
}
