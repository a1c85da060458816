/**
 * Which deadlines an escrow has after an event: derived from its counters and locks, so that no
 * path forgets to arm, pause, resume or drop one. Every arm, pause and resume gets a generation
 * that is unique in the escrow; a command that names another one does nothing.
 */
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  AutoReleaseSchema,
  ExpireDeliverySchema,
  ExpireFundingSchema,
  RemindSchema,
  ResolveByDefaultSchema,
} from "#gen/escrow/v1/commands_pb";
import {
  type Escrow,
  Escrow_Stage,
  Lock_Kind,
  type Terms,
  type Timer,
  Timer_Kind,
  TimerSchema,
} from "#gen/escrow/v1/types_pb";
import { required } from "#kernel/assert";
import { addMs, isAfter, msBetween, parseDuration } from "#kernel/duration";
import { disputeOn, free, hasLock, isFrozen, termsOf } from "./escrow.ts";
import type { CommandBody } from "./messages.ts";

type DeadlineKind = Exclude<Timer_Kind, Timer_Kind.UNSPECIFIED | Timer_Kind.REMINDER>;

/** extended: due later, with the time left kept for when it runs again. */
type Mode = "running" | "paused" | "extended";

interface Wanted {
  readonly kind: DeadlineKind;
  readonly milestoneId: string;
  readonly mode: Mode;
}

/**
 * What a payment under way adds to the funding deadline. A bank debit takes days; one that never
 * ends must not hold the escrow for ever: money that comes after all goes back.
 */
const processingMs = 10n * 86_400_000n;

/** The timers of `after`, given those it still carries from before. Same array when nothing moved. */
export function timersAfter(after: Escrow, now: Timestamp): Timer[] {
  const clock = generations(after.timerGeneration);
  const deadlines = wantedOf(after).flatMap((wanted) => {
    const current = after.timers.find((timer) => matches(timer, wanted));
    const timer = current ?? armed(after, wanted, now, clock);
    const remindersNow = current
      ? remindersOf(after, current)
      : reminders(after, timer, now, clock);
    // Nobody is reminded of what waits for a bank.
    const mode = wanted.mode === "running" ? "running" : "paused";
    return [
      steered(timer, wanted.mode, now, clock),
      ...remindersNow.map((each) => steered(each, mode, now, clock)),
    ];
  });
  const moved =
    deadlines.length !== after.timers.length ||
    deadlines.some((timer, i) => timer !== after.timers[i]);
  return moved ? deadlines : after.timers;
}

/** The deadlines under new terms: each moves by as much as its duration changed. */
export function timersUnder(terms: Terms, before: Escrow, now: Timestamp): Timer[] {
  const clock = generations(before.timerGeneration);
  const next = { ...before, terms };
  return before.timers
    .filter((timer) => timer.kind !== Timer_Kind.REMINDER)
    .flatMap((timer) => {
      const kind = timer.kind as DeadlineKind;
      const by = durationOf(terms, kind) - durationOf(termsOf(before), kind);
      const timerNow = by === 0n ? timer : shifted(timer, by, clock);
      const mode = modeOf(timerNow.paused || isExtended(timerNow));
      const announced = reminders(next, resumed(timerNow, now), now, clock);
      return [timerNow, ...announced.map((each) => steered(each, mode, now, clock))];
    });
}

function wantedOf(escrow: Escrow): Wanted[] {
  const stopped = isFrozen(escrow) || hasLock(escrow, Lock_Kind.REVIEW, Lock_Kind.RISK);
  if (escrow.stage === Escrow_Stage.PROPOSED || escrow.stage === Escrow_Stage.AWAIT_FUNDS) {
    const mode = escrow.paymentProcessing && !stopped ? "extended" : modeOf(stopped);
    return [{ kind: Timer_Kind.FUNDING, milestoneId: "", mode }];
  }
  if (escrow.stage !== Escrow_Stage.ACTIVE) return [];
  // A freeze takes the money away for a while: what ran before it only pauses.
  if (isFrozen(escrow)) return frozenDeadlines(escrow);
  return [...wantedDelivery(escrow, stopped), ...wantedOfMilestones(escrow, stopped)];
}

function frozenDeadlines(escrow: Escrow): Wanted[] {
  return escrow.timers
    .filter((timer) => timer.kind !== Timer_Kind.REMINDER && timer.kind !== Timer_Kind.FUNDING)
    .map(({ kind, milestoneId }) => ({ kind: kind as DeadlineKind, milestoneId, mode: "paused" }));
}

/** One for the escrow. It waits while an undelivered milestone is disputed: nobody can deliver it. */
function wantedDelivery(escrow: Escrow, stopped: boolean): Wanted[] {
  const open = escrow.milestones.filter((m) => free(m) > 0n && !m.delivered);
  if (open.length === 0) return [];
  const disputed = open.some((m) => disputeOn(escrow, m.milestoneId));
  return [{ kind: Timer_Kind.DELIVERY, milestoneId: "", mode: modeOf(stopped || disputed) }];
}

function wantedOfMilestones(escrow: Escrow, stopped: boolean): Wanted[] {
  return escrow.milestones.flatMap((m) => {
    if (free(m) <= 0n) return [];
    const { milestoneId } = m;
    const disputed = disputeOn(escrow, milestoneId) !== undefined;
    const inspectionMode = modeOf(stopped || disputed);
    const inspection = { kind: Timer_Kind.AUTO_RELEASE, milestoneId, mode: inspectionMode };
    const arbiter = { kind: Timer_Kind.ARBITER, milestoneId, mode: modeOf(stopped) };
    return [...(m.delivered ? [inspection] : []), ...(disputed ? [arbiter] : [])] as Wanted[];
  });
}

function modeOf(stopped: boolean): Mode {
  return stopped ? "paused" : "running";
}

function armed(escrow: Escrow, wanted: Wanted, now: Timestamp, next: () => number): Timer {
  const { kind, milestoneId } = wanted;
  const dueAt = addMs(now, durationOf(termsOf(escrow), kind));
  return create(TimerSchema, { kind, milestoneId, dueAt, generation: next() });
}

function reminders(escrow: Escrow, timer: Timer, now: Timestamp, next: () => number): Timer[] {
  return termsOf(escrow).reminders.flatMap((before) => {
    const dueAt = addMs(dueOf(timer), -(parseDuration(before) ?? 0n));
    if (!isAfter(dueAt, now)) return [];
    const { kind: announces, milestoneId } = timer;
    const kind = Timer_Kind.REMINDER;
    return [
      create(TimerSchema, { kind, announces, milestoneId, before, dueAt, generation: next() }),
    ];
  });
}

function remindersOf(escrow: Escrow, { kind, milestoneId }: Timer): Timer[] {
  return escrow.timers.filter(
    (timer) =>
      timer.kind === Timer_Kind.REMINDER &&
      timer.announces === kind &&
      timer.milestoneId === milestoneId,
  );
}

/** Brought to the wanted mode; the time left is the same to the millisecond. */
function steered(timer: Timer, wanted: Mode, now: Timestamp, next: () => number): Timer {
  const mode = timer.paused ? "paused" : isExtended(timer) ? "extended" : "running";
  if (mode === wanted) return timer;
  const left = mode === "running" ? msBetween(now, dueOf(timer)) : timer.remainingMs;
  const remainingMs = left > 0n ? left : 0n;
  const generation = next();
  switch (wanted) {
    case "paused":
      return { ...timer, paused: true, remainingMs, generation };
    case "extended": {
      const dueAt = addMs(now, remainingMs + processingMs);
      return { ...timer, paused: false, dueAt, remainingMs: remainingMs || 1n, generation };
    }
    case "running":
      return { ...timer, paused: false, dueAt: addMs(now, left), remainingMs: 0n, generation };
    default:
      return wanted satisfies never;
  }
}

function isExtended({ paused, remainingMs }: Timer): boolean {
  return !paused && remainingMs > 0n;
}

/** As it would be if it ran from now on: what its reminders are counted from. */
function resumed(timer: Timer, now: Timestamp): Timer {
  if (!timer.paused && !isExtended(timer)) return timer;
  return { ...timer, paused: false, dueAt: addMs(now, timer.remainingMs), remainingMs: 0n };
}

function shifted(timer: Timer, byMs: bigint, next: () => number): Timer {
  const remainingMs = timer.remainingMs + byMs > 0n ? timer.remainingMs + byMs : 0n;
  return {
    ...timer,
    dueAt: addMs(dueOf(timer), byMs),
    ...((timer.paused || isExtended(timer)) && { remainingMs }),
    generation: next(),
  };
}

function matches(timer: Timer, wanted: Wanted): boolean {
  return timer.kind === wanted.kind && timer.milestoneId === wanted.milestoneId;
}

export function dueOf(timer: Timer): Timestamp {
  return required(timer.dueAt, "the timer's instant");
}

function durationOf(terms: Terms, kind: DeadlineKind): bigint {
  return required(parseDuration(durationText(terms, kind)), "the deadline's duration");
}

function durationText(terms: Terms, kind: DeadlineKind): string {
  switch (kind) {
    case Timer_Kind.FUNDING:
      return terms.fundingDeadline;
    case Timer_Kind.DELIVERY:
      return terms.deliveryDeadline;
    case Timer_Kind.AUTO_RELEASE:
      return terms.autoRelease;
    case Timer_Kind.ARBITER:
      return terms.arbiterDeadline;
    default:
      return kind satisfies never;
  }
}

function generations(highest: number): () => number {
  let last = highest;
  return () => {
    last += 1;
    return last;
  };
}

/**
 * The deadlines that had passed when a command was received, oldest first. Received before the due
 * time wins, so these are decided before a command that came later.
 */
export function overdueTimers(escrow: Escrow, receivedAt: Timestamp): Timer[] {
  return escrow.timers
    .filter((timer) => !timer.paused && isAfter(receivedAt, dueOf(timer)))
    .sort((a, b) => timestampMs(dueOf(a)) - timestampMs(dueOf(b)) || a.generation - b.generation);
}

/** What a due timer asks of its escrow. */
export function timerCommand({
  kind,
  generation,
  milestoneId,
  announces,
  before,
}: Timer): CommandBody {
  switch (kind) {
    case Timer_Kind.FUNDING:
      return { case: "expireFunding", value: create(ExpireFundingSchema, { generation }) };
    case Timer_Kind.DELIVERY:
      return { case: "expireDelivery", value: create(ExpireDeliverySchema, { generation }) };
    case Timer_Kind.AUTO_RELEASE: {
      const value = create(AutoReleaseSchema, { generation, milestoneId });
      return { case: "autoRelease", value };
    }
    case Timer_Kind.ARBITER: {
      const value = create(ResolveByDefaultSchema, { generation, milestoneId });
      return { case: "resolveByDefault", value };
    }
    case Timer_Kind.REMINDER: {
      const value = create(RemindSchema, { generation, announces, milestoneId, before });
      return { case: "remind", value };
    }
    case Timer_Kind.UNSPECIFIED:
      throw new Error("a timer without a kind");
    default:
      return kind satisfies never;
  }
}
