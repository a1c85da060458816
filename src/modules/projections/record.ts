/**
 * The fold behind the escrow view: an event brings the escrow's standing with it, the terms come
 * from the creation and from amendments, what waits for acceptance from its proposal. Pure.
 */
import { create } from "@bufbuild/protobuf";
import type { Event } from "#gen/escrow/v1/events_pb";
import { type EscrowRecord, EscrowRecordSchema } from "#gen/escrow/v1/queries_pb";
import { GapError, TerminalError } from "#platform/errors";

/** The next record; undefined for an event that was applied before. Throws on a gap. */
export function applyEvent(
  record: EscrowRecord | undefined,
  event: Event,
): EscrowRecord | undefined {
  const seen = record?.version ?? 0n;
  if (event.version <= seen) return undefined;
  if (event.version !== seen + 1n) {
    throw new GapError(`${event.escrowId}: event ${event.version} after ${seen}`);
  }
  const next = record ?? firstRecord(event);
  return {
    ...withProposal(next, event),
    ...(event.body.case === "termsAmended" && {
      terms: event.body.value.terms,
      termsHash: event.body.value.termsHash,
    }),
    version: event.version,
    status: event.status,
    updatedAt: event.occurredAt,
  } as EscrowRecord;
}

/** One proposal at a time: another takes its place, and none outlives its acceptance or the deal. */
function withProposal(record: EscrowRecord, { body, occurredAt }: Event): EscrowRecord {
  const { proposal: _, proposedAt: _since, ...rest } = record;
  switch (body.case) {
    case "termsAmendmentProposed":
      return { ...rest, proposal: body.value, ...(occurredAt && { proposedAt: occurredAt }) };
    case "termsAmended":
    case "cancelled":
    case "closed":
      return rest;
    default:
      return record;
  }
}

function firstRecord(event: Event): EscrowRecord {
  if (event.body.case !== "created") {
    throw new TerminalError(`${event.escrowId} does not begin with its creation`);
  }
  const created = event.body.value;
  return create(EscrowRecordSchema, {
    escrowId: event.escrowId,
    created,
    ...(created.terms && { terms: created.terms }),
    termsHash: created.termsHash,
    ...(event.occurredAt && { createdAt: event.occurredAt }),
  });
}
