/**
 * The escrow module's handlers: lock the batch's escrows, decide message by message, write once.
 * A rejection is an outcome like any other; only a bug throws.
 */
import { create } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Event as ContractEvent } from "#gen/contracts/v1/events_pb";
import { type Command, CommandSchema, CreateEscrowSchema } from "#gen/escrow/v1/commands_pb";
import { Actor_Kind } from "#gen/escrow/v1/types_pb";
import type { Event as PaymentsEvent } from "#gen/payments/v1/events_pb";
import { generateCommandEventId, hashFields } from "#kernel/ids";
import { GapError, TerminalError } from "#platform/errors";
import type { HandleBatch, Incoming, Outgoing } from "#platform/messaging/handler";
import { topics } from "#topics";
import { lockPartyDays, uncounted } from "./party-days.ts";
import type { Cause } from "./say.ts";
import { knownCommands, lockEscrows, type StoredEscrow, saveBatch } from "./store.ts";
import { systemActor } from "./system-actor.ts";
import { overdueCommands } from "./timers.ts";
import { decideCommand, type Settings, startWork, type Work } from "./work.ts";

/** Both decide by what the operator has set. */
export function decidingHandlers(settings: Settings) {
  return { commands: handleCommands(settings), payments: handlePayments(settings) };
}

const handleCommands =
  (settings: Settings): HandleBatch<Command> =>
  async (tx, batch) => {
    const commands = batch.messages.map(({ message }) => message);
    const stored = await lockEscrows(tx, idsOf(commands));
    const received = batch.messages.map((incoming) => ({
      message: incoming.message,
      at: receivedAt(incoming),
    }));
    const partyDays = await lockPartyDays(tx, settings.limits, received, stored);
    const due = batch.messages.flatMap((incoming) => overdueBefore(incoming, stored));
    const known = await knownCommands(tx, [...commands, ...due], stored);
    const work = startWork(stored, settings, partyDays);
    batch.each((incoming) => {
      const { commandId, fingerprint } = incoming.message;
      const first = known.get(commandId);
      if (first === undefined) {
        decideInTime(work, incoming, known);
      } else if (first !== fingerprint) {
        work.conflict({ commandId, fingerprint, at: incoming.appendedAt });
      }
    });
    await saveBatch(tx, work.result());
    await partyDays.save(tx);
    return work.outgoing;
  };

/**
 * A person's command that the log received after a deadline finds the deadline's own command
 * decided first, whether or not it has come by yet; the late copy is then a duplicate.
 */
function decideInTime(work: Work, incoming: Incoming<Command>, known: Map<string, string>): void {
  const command = incoming.message;
  const received = receivedAt(incoming);
  const escrow = work.find(command.escrowId);
  if (escrow && command.actor?.kind === Actor_Kind.USER) {
    for (const due of overdueCommands(escrow, received)) {
      if (known.has(due.commandId)) continue;
      decideAndSettle(work, due, received, incoming);
      known.set(due.commandId, due.fingerprint);
    }
  }
  decideAndSettle(work, command, received, incoming);
  known.set(command.commandId, command.fingerprint);
}

function decideAndSettle(
  work: Work,
  command: Command,
  received: Date,
  { correlationId, headers }: Incoming,
): void {
  const { cause, verdict } = decideCommand(work, command, timestampFromDate(received), {
    correlationId,
    traceparent: headers.traceparent,
  });
  work.settle(command.escrowId, cause, verdict);
}

/** The deadlines' commands that must be decided before a person's, as far as the locked rows tell. */
function overdueBefore(
  incoming: Incoming<Command>,
  stored: ReadonlyMap<string, StoredEscrow>,
): readonly Command[] {
  const escrow = stored.get(incoming.message.escrowId)?.escrow;
  return escrow ? overdueCommands(escrow, receivedAt(incoming)) : [];
}

/** When the log took it, in business time: the accepting process stamped the test clock's offset. */
function receivedAt({ appendedAt, message }: Incoming<Command>): Date {
  return new Date(appendedAt.getTime() + Number(message.clockOffsetMs));
}

/** Facts of payments, numbered per escrow: a number seen before is a repeat, a missing one a gap. */
const handlePayments =
  (settings: Settings): HandleBatch<PaymentsEvent> =>
  async (tx, batch) => {
    const stored = await lockEscrows(tx, idsOf(batch.messages.map(({ message }) => message)));
    const work = startWork(stored, settings, uncounted);
    batch.each((incoming) => applyFact(work, incoming));
    await saveBatch(tx, work.result());
    return work.outgoing;
  };

function applyFact(work: Work, incoming: Incoming<PaymentsEvent>): void {
  const fact = incoming.message;
  const { escrowId, version, body } = fact;
  // What concerns no escrow's money carries no number.
  if (version === 0n || body.case === undefined) return;
  const seen = work.seenPayments(escrowId);
  if (version <= seen) return;
  if (version !== seen + 1n) {
    throw new GapError(`${escrowId}: payments event ${version} after ${seen}`);
  }
  if (!work.find(escrowId)) throw new TerminalError(`payments knows ${escrowId}, escrow does not`);
  const now = fact.occurredAt ?? timestampFromDate(incoming.appendedAt);
  const cause: Cause = {
    id: fact.eventId,
    correlationId: fact.correlationId,
    fingerprint: "",
    actor: systemActor,
    now,
    traceparent: incoming.headers.traceparent,
  };
  const { rejected } = work.decide(
    body,
    {
      escrowId,
      now,
      actor: systemActor,
      expectedVersion: 0n,
      commandId: fact.eventId,
      approvedBy: [],
      change: fact.change,
    },
    cause,
  );
  if (rejected) throw new TerminalError(`${escrowId}: a fact was refused: ${rejected.detail}`);
  work.sawPayment(escrowId, version, timestampDate(now));
}

/** Characters that a command's own rules allow. */
const maxId = 64;
const maxReference = 200;

/** Another system's id has any length; one too long for a command is known by its hash. */
function bounded(id: string, most: number): string {
  return [...id].length <= most ? id : hashFields(id);
}

/** A signed contract becomes an escrow both parties have accepted; its id follows from the contract's. */
export const handleContracts: HandleBatch<ContractEvent> = async (_tx, batch) => {
  const outgoing: Outgoing[] = [];
  batch.each((incoming) => {
    const { body, contractId, eventId } = incoming.message;
    // An escrow ends by its own terms: voiding the paper moves no money.
    if (body.case !== "executed") return;
    const escrowId = `esc_${hashFields("contract", contractId).slice(0, 32)}`;
    const { terms, reference } = body.value;
    if (!terms) throw new TerminalError(`contract ${contractId} has no terms`);
    const correlationId = bounded(incoming.correlationId, maxId);
    const causationId = bounded(eventId, maxId);
    const command = create(CommandSchema, {
      commandId: generateCommandEventId(escrowId, "createEscrow", "system:contracts", contractId),
      escrowId,
      actor: systemActor,
      correlationId,
      causationId,
      body: {
        case: "createEscrow",
        value: create(CreateEscrowSchema, {
          terms,
          reference: bounded(reference, maxReference),
          acceptedByBoth: true,
        }),
      },
    });
    outgoing.push({ topic: topics.escrowCommands, message: command, correlationId, causationId });
  });
  return outgoing;
};

function idsOf(messages: readonly { escrowId: string }[]): string[] {
  return [...new Set(messages.map(({ escrowId }) => escrowId))].sort();
}
