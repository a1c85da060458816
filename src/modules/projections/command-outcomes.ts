/**
 * What became of each command. Written in the transaction of the escrow view, so that whoever
 * waited for the outcome sees it in his next query.
 */
import type { Event } from "#gen/escrow/v1/events_pb";
import { CommandRejected_Code } from "#gen/escrow/v1/events_pb";
import type { Event as PaymentsEvent } from "#gen/payments/v1/events_pb";
import type { Tx } from "#platform/database/database";
import type { ReadModels } from "./tables.ts";

export interface SeenCommand {
  readonly commandId: string;
  readonly escrowId: string;
  readonly actorId: string;
  readonly fingerprint: string;
}

interface Outcome extends SeenCommand {
  status: "pending" | "succeeded" | "rejected";
  code: string;
  detail: string;
  eventIds: string[];
  version: bigint;
}

/** Only commands have a fingerprint or are refused; facts and timers leave no outcome to wait for. */
export function outcomesOf(events: readonly Event[]): Outcome[] {
  const outcomes = new Map<string, Outcome>();
  for (const event of events) {
    if (event.causationId === "") continue;
    const outcome = outcomes.get(event.causationId) ?? {
      commandId: event.causationId,
      escrowId: event.escrowId,
      actorId: event.actor?.id ?? "",
      fingerprint: event.fingerprint,
      status: "pending",
      code: "",
      detail: "",
      eventIds: [],
      version: event.version,
    };
    if (event.body.case === "commandRejected") {
      outcome.status = "rejected";
      outcome.code = CommandRejected_Code[event.body.value.code];
      outcome.detail = event.body.value.detail;
    } else if (event.lastOfCommand) {
      outcome.status = "succeeded";
    }
    outcome.eventIds.push(event.eventId);
    outcome.version = event.version;
    outcomes.set(event.causationId, outcome);
  }
  return [...outcomes.values()];
}

/**
 * Of payments' own commands, those that a request asked for; none moves the escrow's version. A
 * rejection is not numbered and may come twice.
 */
export function paymentOutcomesOf(events: readonly PaymentsEvent[]): Outcome[] {
  const outcomes = new Map<string, Outcome>();
  for (const { eventId, escrowId, body } of events) {
    if (body.case !== "paymentCommandSucceeded" && body.case !== "paymentCommandRejected") continue;
    const { commandId, fingerprint, actorId } = body.value;
    if (fingerprint === "") continue;
    const rejected = body.case === "paymentCommandRejected" ? body.value : undefined;
    outcomes.set(commandId, {
      commandId,
      escrowId,
      actorId,
      fingerprint,
      status: rejected === undefined ? "succeeded" : "rejected",
      code: rejected?.code ?? "",
      detail: rejected?.detail ?? "",
      eventIds: [eventId],
      version: 0n,
    });
  }
  return [...outcomes.values()];
}

/** A decided outcome is final; only a pending one is completed (a command's events may span batches). */
export async function saveOutcomes(
  tx: Tx,
  tables: ReadModels,
  outcomes: readonly Outcome[],
): Promise<void> {
  if (outcomes.length === 0) return;
  await tx.sql`
    INSERT INTO ${tables.command_outcome} AS o
      (command_id, escrow_id, actor_id, fingerprint, status, code, detail, event_ids, version)
    SELECT command_id, escrow_id, actor_id, fingerprint, status, code, detail,
      CASE event_ids WHEN '' THEN '{}'::text[] ELSE string_to_array(event_ids, ',') END, version
    FROM unnest(${outcomes.map((o) => o.commandId)}::text[],
      ${outcomes.map((o) => o.escrowId)}::text[], ${outcomes.map((o) => o.actorId)}::text[],
      ${outcomes.map((o) => o.fingerprint)}::text[], ${outcomes.map((o) => o.status)}::text[],
      ${outcomes.map((o) => o.code)}::text[], ${outcomes.map((o) => o.detail)}::text[],
      ${outcomes.map((o) => o.eventIds.join(","))}::text[],
      ${outcomes.map((o) => o.version)}::bigint[])
      AS n(command_id, escrow_id, actor_id, fingerprint, status, code, detail, event_ids, version)
    ORDER BY command_id
    ON CONFLICT (command_id) DO UPDATE SET status = excluded.status, code = excluded.code,
      detail = excluded.detail, event_ids = o.event_ids || excluded.event_ids,
      version = excluded.version, fingerprint = excluded.fingerprint
    WHERE o.status = 'pending'`;
}

/** A command was read from its topic: from now on a query can say "pending" and mean it. */
export async function saveSeen(
  tx: Tx,
  tables: ReadModels,
  commands: readonly SeenCommand[],
): Promise<void> {
  if (commands.length === 0) return;
  await tx.sql`
    INSERT INTO ${tables.command_outcome} (command_id, escrow_id, actor_id, fingerprint, status)
    SELECT command_id, escrow_id, actor_id, fingerprint, 'pending'
    FROM unnest(${commands.map((c) => c.commandId)}::text[],
      ${commands.map((c) => c.escrowId)}::text[], ${commands.map((c) => c.actorId)}::text[],
      ${commands.map((c) => c.fingerprint)}::text[])
      AS n(command_id, escrow_id, actor_id, fingerprint)
    ORDER BY command_id
    ON CONFLICT (command_id) DO NOTHING`;
}
