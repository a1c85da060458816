/**
 * The fold behind the escrow view: an event brings the escrow's standing with it, the terms come
 * from the creation and from amendments. Pure.
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
    ...next,
    ...(event.body.case === "termsAmended" && {
      terms: event.body.value.terms,
      termsHash: event.body.value.termsHash,
    }),
    version: event.version,
    status: event.status,
    updatedAt: event.occurredAt,
  } as EscrowRecord;
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
