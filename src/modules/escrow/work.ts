/**
 * One batch's escrows in memory, between the locks and the writes. Each message is decided on the
 * state its predecessors left; a message that throws has changed nothing here.
 */
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "#gen/escrow/v1/commands_pb";
import { CommandRejected_Code } from "#gen/escrow/v1/events_pb";
import { Actor_Kind, type Escrow } from "#gen/escrow/v1/types_pb";
import { TerminalError } from "#platform/errors";
import type { Outgoing } from "#platform/messaging/handler";
import { decide } from "./domain/decide.ts";
import { evolve } from "./domain/evolve.ts";
import { begunBy } from "./domain/limits.ts";
import type { Context, Decision, EventBody, Input, Rejection, Rules } from "./domain/messages.ts";
import { react } from "./domain/react.ts";
import type { PartyDays } from "./party-days.ts";
import { type Cause, eventMessage, paymentsCommand, sayAccepted, sayRejected } from "./say.ts";
import type {
  BatchResult,
  CommandConflict,
  CommandOutcome,
  EscrowChange,
  SaidEvent,
  StoredEscrow,
} from "./store.ts";
import { systemActor } from "./system-actor.ts";

/** What the operator has set, for the decider. */
export type Settings = Pick<Rules, "fees" | "limits" | "routing">;

/** Who asks, when, and under which conditions; the rules are the work's own. */
export type Asked = Omit<Context, "rules">;

export interface Verdict {
  readonly rejected: Rejection | undefined;
  readonly version: bigint;
}

export interface Work {
  find(escrowId: string): Escrow | undefined;
  seenPayments(escrowId: string): bigint;
  /** Decides one input and keeps what follows. Throws only before anything is kept. */
  decide(input: Input, context: Asked, cause: Cause): Verdict;
  sawPayment(escrowId: string, version: bigint, at: Date): void;
  /** Says a command's outcome, once for ever. */
  settle(escrowId: string, cause: Cause, verdict: Verdict): void;
  conflict(conflict: CommandConflict): void;
  result(): BatchResult;
  readonly outgoing: readonly Outgoing[];
}

interface Slot {
  readonly stored: StoredEscrow | undefined;
  readonly escrow: Escrow | undefined;
  readonly seenPayments: bigint;
  readonly events: readonly SaidEvent[];
  readonly at: Date | undefined;
}

export function startWork(
  stored: ReadonlyMap<string, StoredEscrow>,
  settings: Settings,
  partyDays: PartyDays,
): Work {
  const rules: Rules = { ...settings, used: partyDays.used };
  const slots = new Map<string, Slot>();
  const outcomes: CommandOutcome[] = [];
  const conflicts: CommandConflict[] = [];
  const outgoing: Outgoing[] = [];

  function slotOf(escrowId: string): Slot {
    const known = stored.get(escrowId);
    return (
      slots.get(escrowId) ?? {
        stored: known,
        escrow: known?.escrow,
        seenPayments: known?.seenPayments ?? 0n,
        events: [],
        at: undefined,
      }
    );
  }

  return {
    find: (escrowId) => slotOf(escrowId).escrow,
    seenPayments: (escrowId) => slotOf(escrowId).seenPayments,
    decide(input, asked, cause) {
      const context = { ...asked, rules };
      const slot = slotOf(context.escrowId);
      const decision = answered(decide(slot.escrow, input, context), context);
      if ("rejected" in decision) {
        return { rejected: decision.rejected, version: slot.escrow?.version ?? 0n };
      }
      for (const body of decision.events) {
        const begun = begunBy(slot.escrow?.terms, body);
        if (begun) partyDays.add(begun, context.now);
      }
      const { escrow, events, messages } = follow(slot.escrow, decision.events, context, cause);
      slots.set(context.escrowId, {
        ...slot,
        escrow,
        events: [...slot.events, ...events],
        at: timestampDate(cause.now),
      });
      outgoing.push(...messages);
      return { rejected: undefined, version: escrow?.version ?? 0n };
    },
    sawPayment(escrowId, version, at) {
      const slot = slotOf(escrowId);
      slots.set(escrowId, { ...slot, seenPayments: version, at: slot.at ?? at });
    },
    settle(escrowId, cause, { rejected, version }) {
      const { escrow } = slotOf(escrowId);
      const rejection =
        rejected && sayRejected(cause, { rejection: rejected, escrowId, version, escrow });
      outcomes.push({
        escrowId,
        commandId: cause.id,
        fingerprint: cause.fingerprint,
        version,
        ...(rejection && { rejection }),
      });
      if (rejection) outgoing.push(eventMessage(rejection, cause));
    },
    conflict: (conflict) => conflicts.push(conflict),
    result: () => ({ stored, changes: changesOf(slots), outcomes, conflicts }),
    outgoing,
  };
}

/** Decides one command as received at `now`; nothing is settled yet. Throws for one without a body. */
export function decideCommand(
  work: Work,
  command: Command,
  now: Timestamp,
  trace: { correlationId?: string; traceparent?: string | undefined } = {},
): { cause: Cause; verdict: Verdict } {
  const { escrowId, commandId, fingerprint, expectedVersion, approvedBy, body } = command;
  if (body.case === undefined) throw new TerminalError("a command without a body");
  const actor = command.actor ?? systemActor;
  const cause: Cause = {
    id: commandId,
    correlationId: command.correlationId || (trace.correlationId ?? ""),
    fingerprint,
    actor,
    now,
    traceparent: trace.traceparent,
  };
  const asked: Asked = { escrowId, now, actor, expectedVersion, commandId, approvedBy };
  return { cause, verdict: work.decide(body, asked, cause) };
}

/**
 * An outcome without an event is said to nobody: whoever waits would wait for ever. What changes
 * nothing is right for a stale timer and for a fact; a person is told so.
 */
export function answered(decision: Decision, { actor }: Pick<Context, "actor">): Decision {
  if ("rejected" in decision || decision.events.length > 0) return decision;
  if (actor.kind !== Actor_Kind.USER) return decision;
  const detail = "it would change nothing";
  return { rejected: { code: CommandRejected_Code.DECISION_STANDS, detail } };
}

function changesOf(slots: ReadonlyMap<string, Slot>): EscrowChange[] {
  return [...slots].flatMap(([escrowId, { stored, escrow, seenPayments, events, at }]) =>
    escrow && at && (events.length > 0 || seenPayments !== stored?.seenPayments)
      ? [{ escrowId, stored, escrow, seenPayments, events, at }]
      : [],
  );
}

/** Folds the decided bodies and says each as an event, followed by the commands it calls for. */
function follow(
  before: Escrow | undefined,
  bodies: readonly EventBody[],
  { escrowId }: Asked,
  cause: Cause,
) {
  const events: SaidEvent[] = [];
  const messages: Outgoing[] = [];
  let escrow = before;
  bodies.forEach((body, index) => {
    const after = evolve(escrow, body, { escrowId, occurredAt: cause.now, actor: cause.actor });
    const said = sayAccepted(cause, { body, after, lastOfCommand: index === bodies.length - 1 });
    events.push(said);
    messages.push(eventMessage(said, cause));
    for (const command of react(escrow, body, after)) {
      messages.push(paymentsCommand(command, said.event, cause));
    }
    escrow = after;
  });
  return { escrow, events, messages };
}
