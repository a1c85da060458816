/** The story of each escrow: commands, events, postings, provider calls, webhooks, timers. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type SealedText, SealedTextSchema } from "#gen/escrow/v1/types_pb";
import type { Tx } from "#platform/database/database";
import type { ReadModels } from "./tables.ts";

export interface TimelineEntry {
  readonly escrowId: string;
  readonly kind: "command" | "event" | "posting" | "provider_call" | "webhook" | "timer";
  /** Of the message it shows: a repeat adds no line. */
  readonly id: string;
  readonly at: Date;
  readonly version: bigint;
  readonly type: string;
  readonly actor: string;
  readonly correlationId: string;
  readonly summary: string;
  /** What its actor wrote with it. */
  readonly sealed?: SealedText | undefined;
}

export async function saveTimeline(
  tx: Tx,
  tables: ReadModels,
  entries: readonly TimelineEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  await tx.sql`
    INSERT INTO ${tables.timeline}
      (escrow_id, kind, id, at, version, type, actor, correlation_id, summary, sealed)
    SELECT * FROM unnest(${entries.map((e) => e.escrowId)}::text[],
      ${entries.map((e) => e.kind)}::text[], ${entries.map((e) => e.id)}::text[],
      ${entries.map((e) => e.at)}::timestamptz[], ${entries.map((e) => e.version)}::bigint[],
      ${entries.map((e) => e.type)}::text[], ${entries.map((e) => e.actor)}::text[],
      ${entries.map((e) => e.correlationId)}::text[], ${entries.map((e) => e.summary)}::text[],
      ${entries.map(({ sealed }) => (sealed ? hexOf(sealed) : ""))}::text[])
    ON CONFLICT DO NOTHING`;
}

function hexOf(sealed: SealedText): string {
  return Buffer.from(toBinary(SealedTextSchema, sealed)).toString("hex");
}

export function sealedTextOf(hex: string): SealedText {
  return fromBinary(SealedTextSchema, Buffer.from(hex, "hex"));
}

/** "escrow.v1.EscrowReleaseRequested" → "EscrowReleaseRequested". */
function shortType(type: string): string {
  return type.slice(type.lastIndexOf(".") + 1);
}

/** "EscrowReleaseRequested" → "escrow release requested". */
export function spoken(type: string): string {
  return shortType(type)
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase();
}
