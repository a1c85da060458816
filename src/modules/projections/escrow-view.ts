/** The escrow view: one row per escrow, written once per batch whatever number of events came. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type EscrowRecord, EscrowRecordSchema } from "#gen/escrow/v1/queries_pb";
import { EscrowStatus_State } from "#gen/escrow/v1/types_pb";
import type { Tx } from "#platform/database/database";
import { packBytes } from "#platform/database/packed-bytes";
import type { ReadModels } from "./tables.ts";

export interface RecordChange {
  readonly before: EscrowRecord | undefined;
  readonly after: EscrowRecord;
}

/** Locked in id order: another partition's batch may touch the same party's rows. */
export async function lockRecords(
  tx: Tx,
  tables: ReadModels,
  ids: readonly string[],
): Promise<Map<string, EscrowRecord>> {
  const rows = await tx.sql<{ record: Uint8Array }>`
    SELECT record FROM ${tables.escrow_view}
    WHERE escrow_id = ANY(${ids}::text[]) ORDER BY escrow_id FOR UPDATE`;
  const records = rows.map((row) => fromBinary(EscrowRecordSchema, row.record));
  return new Map(records.map((record) => [record.escrowId, record]));
}

export async function saveRecords(
  tx: Tx,
  tables: ReadModels,
  changes: readonly RecordChange[],
): Promise<void> {
  if (changes.length === 0) return;
  const records = changes.map((change) => change.after);
  const packed = packBytes(records.map((record) => toBinary(EscrowRecordSchema, record)));
  await tx.sql`
    INSERT INTO ${tables.escrow_view} (escrow_id, version, state, buyer_id, seller_id, service_id,
      currency, amount, reference, held, reserved, released, refunded, created_at, updated_at, record)
    SELECT escrow_id, version, state, buyer_id, seller_id, service_id, currency, amount, reference,
      held, reserved, released, refunded, created_at, updated_at,
      substring(${packed.bytes}::bytea FROM at FOR size)
    FROM unnest(${records.map((r) => r.escrowId)}::text[],
      ${records.map((r) => r.version)}::bigint[], ${records.map(stateOf)}::text[],
      ${records.map((r) => r.terms?.buyerId ?? "")}::text[],
      ${records.map((r) => r.terms?.sellerId ?? "")}::text[],
      ${records.map((r) => r.created?.serviceId ?? "")}::text[],
      ${records.map((r) => r.terms?.amount?.currency ?? "")}::text[],
      ${records.map((r) => r.terms?.amount?.amount ?? 0n)}::bigint[],
      ${records.map((r) => r.created?.reference ?? "")}::text[],
      ${records.map((r) => r.status?.funds?.held ?? 0n)}::bigint[],
      ${records.map((r) => r.status?.funds?.reserved ?? 0n)}::bigint[],
      ${records.map((r) => r.status?.funds?.released ?? 0n)}::bigint[],
      ${records.map((r) => r.status?.funds?.refunded ?? 0n)}::bigint[],
      ${records.map((r) => instant(r.createdAt))}::timestamptz[],
      ${records.map((r) => instant(r.updatedAt))}::timestamptz[],
      ${packed.at}::int[], ${packed.sizes}::int[])
      AS r(escrow_id, version, state, buyer_id, seller_id, service_id, currency, amount, reference,
        held, reserved, released, refunded, created_at, updated_at, at, size)
    ON CONFLICT (escrow_id) DO UPDATE SET version = excluded.version, state = excluded.state,
      amount = excluded.amount, held = excluded.held, reserved = excluded.reserved,
      released = excluded.released, refunded = excluded.refunded, updated_at = excluded.updated_at,
      record = excluded.record`;
}

export function stateOf(record: EscrowRecord): string {
  return EscrowStatus_State[record.status?.state ?? EscrowStatus_State.UNSPECIFIED];
}

function instant(at: EscrowRecord["createdAt"]): Date {
  if (!at) throw new Error("a record without an instant");
  return timestampDate(at);
}
