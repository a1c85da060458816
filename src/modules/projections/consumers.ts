/**
 * The projections' handlers: each folds one topic into the read models of one schema. The same
 * functions serve the live tables and a rebuild.
 */

import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "#gen/escrow/v1/commands_pb";
import { CommandRejected_Code, type Event } from "#gen/escrow/v1/events_pb";
import { Actor_Kind } from "#gen/escrow/v1/types_pb";
import type { Command as PaymentsCommand } from "#gen/payments/v1/commands_pb";
import type { Event as PaymentsEvent } from "#gen/payments/v1/events_pb";
import { GapError } from "#platform/errors";
import { defineHandler, type HandleBatch, type Incoming } from "#platform/messaging/handler";
import { writtenWith } from "#platform/sealing/written-text";
import { topics } from "#topics";
import { addBalances, balanceDeltas } from "./balances.ts";
import {
  outcomesOf,
  paymentOutcomesOf,
  type SeenCommand,
  saveOutcomes,
  saveSeen,
} from "./command-outcomes.ts";
import { lockRecords, type RecordChange, saveRecords } from "./escrow-view.ts";
import { applyEvent } from "./record.ts";
import type { ReadModels } from "./tables.ts";
import { saveTimeline, spoken, type TimelineEntry } from "./timeline.ts";

export function projectionHandlers(tables: ReadModels, prefix = "projections") {
  return {
    escrowEvents: defineHandler({
      name: `${prefix}.escrow-events`,
      topic: topics.escrowEvents,
      handleBatch: projectEscrowEvents(tables),
      // Numbered per escrow: without one, every later one is refused.
      indispensable: ({ body }) => body.case !== "commandRejected",
    }),
    escrowCommands: defineHandler({
      name: `${prefix}.escrow-commands`,
      topic: topics.escrowCommands,
      handleBatch: projectEscrowCommands(tables),
    }),
    paymentsEvents: defineHandler({
      name: `${prefix}.payments-events`,
      topic: topics.paymentsEvents,
      handleBatch: projectPaymentsEvents(tables),
      indispensable: ({ version }) => version > 0n,
    }),
    paymentsCommands: defineHandler({
      name: `${prefix}.payments-commands`,
      topic: topics.paymentsCommands,
      handleBatch: projectPaymentsCommands(tables),
    }),
  };
}

function projectEscrowEvents(tables: ReadModels): HandleBatch<Event> {
  return async (tx, batch) => {
    const ids = [...new Set(batch.messages.map(({ message }) => message.escrowId))].sort();
    const before = await lockRecords(tx, tables, ids);
    const after = new Map(before);
    const applied: Incoming<Event>[] = [];
    batch.each((incoming) => {
      const event = incoming.message;
      if (event.body.case === "commandRejected") {
        applied.push(incoming);
        return;
      }
      const next = applyEvent(after.get(event.escrowId), event);
      if (!next) return;
      after.set(event.escrowId, next);
      applied.push(incoming);
    });
    const changes = [...after.values()]
      .map((record): RecordChange => ({ before: before.get(record.escrowId), after: record }))
      .filter((change) => change.before !== change.after);
    await Promise.all([
      saveRecords(tx, tables, changes),
      saveOutcomes(tx, tables, outcomesOf(applied.map(({ message }) => message))),
      saveTimeline(tx, tables, applied.map(eventEntry)),
      addBalances(tx, tables, balanceDeltas(changes)),
    ]);
    return [];
  };
}

function projectEscrowCommands(tables: ReadModels): HandleBatch<Command> {
  return async (tx, batch) => {
    const seen: Incoming<Command>[] = [];
    batch.each((incoming) => seen.push(incoming));
    await Promise.all([
      saveSeen(
        tx,
        tables,
        seen.map(({ message }) => seenCommand(message)),
      ),
      saveTimeline(tx, tables, seen.map(commandEntry)),
    ]);
    return [];
  };
}

function projectPaymentsEvents(tables: ReadModels): HandleBatch<PaymentsEvent> {
  return async (tx, batch) => {
    const ids = [...new Set(batch.messages.map(({ message }) => message.escrowId))].sort();
    const rows = await tx.sql<{ escrow_id: string; version: bigint }>`
      SELECT escrow_id, version FROM ${tables.payments_progress}
      WHERE escrow_id = ANY(${ids}::text[]) ORDER BY escrow_id FOR UPDATE`;
    const progress = new Map(rows.map((row) => [row.escrow_id, row.version]));
    const entries: TimelineEntry[] = [];
    const applied: PaymentsEvent[] = [];
    batch.each((incoming) => {
      const { escrowId, version } = incoming.message;
      const seen = progress.get(escrowId) ?? 0n;
      if (version !== 0n && version <= seen) return;
      if (version > seen + 1n) {
        throw new GapError(`${escrowId}: payments event ${version} after ${seen}`);
      }
      if (version !== 0n) progress.set(escrowId, version);
      entries.push(paymentEntry(incoming));
      applied.push(incoming.message);
    });
    const moved = [...progress];
    await Promise.all([
      moved.length > 0 &&
        tx.sql`
          INSERT INTO ${tables.payments_progress} (escrow_id, version)
          SELECT * FROM unnest(${moved.map(([id]) => id)}::text[],
            ${moved.map(([, version]) => version)}::bigint[])
          ON CONFLICT (escrow_id) DO UPDATE SET version = excluded.version`,
      saveOutcomes(tx, tables, paymentOutcomesOf(applied)),
      saveTimeline(tx, tables, entries),
    ]);
    return [];
  };
}

/** Requests only: what the escrow asks of payments is nobody's command to wait for. */
function projectPaymentsCommands(tables: ReadModels): HandleBatch<PaymentsCommand> {
  return async (tx, batch) => {
    const seen: PaymentsCommand[] = [];
    batch.each(({ message }) => {
      if (message.fingerprint !== "") seen.push(message);
    });
    await saveSeen(tx, tables, seen.map(seenCommand));
    return [];
  };
}

function seenCommand({
  commandId,
  escrowId,
  actor,
  fingerprint,
}: Command | PaymentsCommand): SeenCommand {
  return { commandId, escrowId, actorId: actor?.id ?? "", fingerprint };
}

function eventEntry({ message, messageType, appendedAt }: Incoming<Event>): TimelineEntry {
  return {
    escrowId: message.escrowId,
    kind: "event",
    id: message.eventId,
    at: message.occurredAt ? timestampDate(message.occurredAt) : appendedAt,
    version: message.version,
    type: messageType,
    actor: message.actor?.id ?? "",
    correlationId: message.correlationId,
    summary: eventSummary(message, messageType),
    sealed: writtenWith(message),
  };
}

/**
 * Ids and figures only: what people wrote stays sealed. Of a refusal the code: its words are for who asked,
 * and may say what the other party is not to know.
 */
function eventSummary({ body }: Event, messageType: string): string {
  if (body.case === "commandRejected") {
    return `${spoken(messageType)}: ${CommandRejected_Code[body.value.code]}`;
  }
  if (body.case !== "termsAmendmentProposed") return spoken(messageType);
  const { terms, termsHash } = body.value;
  const { amount = 0n, currency = "" } = terms?.amount ?? {};
  const { buyerFee = 0n, sellerFee = 0n, milestones = [], revision = 0 } = terms ?? {};
  const parts = milestones.map((one) => `${one.milestoneId} ${one.amount}`).join(", ");
  return (
    `${spoken(messageType)}: revision ${revision}, ${amount} ${currency} (${parts}), ` +
    `fees ${buyerFee} buyer, ${sellerFee} seller; terms hash ${termsHash}`
  );
}

function commandEntry({ message, messageType, appendedAt }: Incoming<Command>): TimelineEntry {
  return {
    escrowId: message.escrowId,
    kind: message.actor?.kind === Actor_Kind.SYSTEM ? "timer" : "command",
    id: message.commandId,
    at: new Date(appendedAt.getTime() + Number(message.clockOffsetMs)),
    version: 0n,
    type: messageType,
    actor: message.actor?.id ?? "",
    correlationId: message.correlationId,
    summary: spoken(messageType),
  };
}

function paymentEntry(incoming: Incoming<PaymentsEvent>): TimelineEntry {
  const { message, messageType, appendedAt } = incoming;
  return {
    escrowId: message.escrowId,
    kind: paymentKind(message),
    id: message.eventId,
    at: message.occurredAt ? timestampDate(message.occurredAt) : appendedAt,
    version: message.version,
    type: messageType,
    actor: message.provider,
    correlationId: message.correlationId,
    summary: paymentSummary(incoming),
  };
}

function paymentKind({ body }: PaymentsEvent): TimelineEntry["kind"] {
  if (body.case === "ledgerPosted") return "posting";
  if (body.case === "providerCallFinished") return "provider_call";
  if (body.case === "webhookHandled") return "webhook";
  return "event";
}

function paymentSummary({ message: { body }, messageType }: Incoming<PaymentsEvent>): string {
  if (body.case === "ledgerPosted") return body.value.reason;
  if (body.case === "providerCallFinished") return `${body.value.call}: ${body.value.outcome}`;
  if (body.case === "webhookHandled") return body.value.type;
  return spoken(messageType);
}
