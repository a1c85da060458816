/** Reads behind the query routes: one row by key or one index range each. */
import { fromBinary } from "@bufbuild/protobuf";
import { and, desc, eq, gt, lt, or, type SQL, sql } from "drizzle-orm";
import { type EscrowRecord, EscrowRecordSchema } from "#gen/escrow/v1/queries_pb";
import type { Database } from "#platform/database/database";
import type { Reader } from "./access.ts";
import type { PageCursor } from "./page-cursor.ts";
import { escrowView } from "./schema.ts";

export interface ListFilter {
  readonly state?: string | undefined;
  readonly party?: string | undefined;
  readonly currency?: string | undefined;
  readonly createdAfter?: Date | undefined;
  /** Exact escrow id or reference. */
  readonly q?: string | undefined;
  /** Only what this reader may see; undefined for those who read all. */
  readonly visibleTo?: Reader | undefined;
  readonly after?: PageCursor | undefined;
  readonly limit: number;
}

export interface CommandRow {
  readonly command_id: string;
  readonly escrow_id: string;
  readonly actor_id: string;
  readonly fingerprint: string;
  readonly status: "pending" | "succeeded" | "rejected";
  readonly code: string;
  readonly detail: string;
  readonly event_ids: string[];
  readonly version: bigint;
}

export interface TimelineRow {
  readonly at: Date;
  readonly kind: string;
  readonly type: string;
  readonly actor: string;
  readonly correlation_id: string;
  readonly summary: string;
  readonly sealed: string;
  readonly id: string;
  readonly version: bigint;
}

export interface BalanceRow {
  readonly side: "buyer" | "seller";
  readonly currency: string;
  readonly escrows: bigint;
  readonly held: bigint;
  readonly reserved: bigint;
  readonly released: bigint;
  readonly refunded: bigint;
}

export async function findRecord(
  db: Database,
  escrowId: string,
): Promise<EscrowRecord | undefined> {
  const [row] = await db.sql<{ record: Uint8Array }>`
    SELECT record FROM projections.escrow_view WHERE escrow_id = ${escrowId}`;
  return row && fromBinary(EscrowRecordSchema, row.record);
}

/** Newest first. Two escrows of the same instant are told apart by id, so that no page repeats one. */
export async function listRecords(db: Database, filter: ListFilter): Promise<EscrowRecord[]> {
  const rows = await db.orm
    .select({ record: escrowView.record })
    .from(escrowView)
    .where(and(...conditions(filter)))
    .orderBy(desc(escrowView.createdAt), desc(escrowView.escrowId))
    .limit(filter.limit);
  return rows.map((row) => fromBinary(EscrowRecordSchema, row.record));
}

function conditions(filter: ListFilter): (SQL | undefined)[] {
  const { state, party, currency, createdAfter, q, visibleTo, after } = filter;
  return [
    state ? eq(escrowView.state, state) : undefined,
    party ? or(eq(escrowView.buyerId, party), eq(escrowView.sellerId, party)) : undefined,
    currency ? eq(escrowView.currency, currency) : undefined,
    createdAfter ? gt(escrowView.createdAt, createdAfter) : undefined,
    q ? or(eq(escrowView.escrowId, q), eq(escrowView.reference, q)) : undefined,
    visibleTo ? readableBy(visibleTo) : undefined,
    after
      ? or(
          lt(escrowView.createdAt, after.createdAt),
          and(
            sql`${escrowView.createdAt} = ${after.createdAt.toISOString()}::timestamptz`,
            lt(escrowView.escrowId, after.escrowId),
          ),
        )
      : undefined,
  ];
}

function readableBy({ member, service }: Reader): SQL | undefined {
  const party = or(eq(escrowView.buyerId, member), eq(escrowView.sellerId, member));
  return service === undefined
    ? or(party, eq(escrowView.serviceId, member))
    : and(party, eq(escrowView.serviceId, service));
}

export async function findCommand(
  db: Database,
  commandId: string,
): Promise<CommandRow | undefined> {
  const [row] = await db.sql<CommandRow>`
    SELECT command_id, escrow_id, actor_id, fingerprint, status, code, detail, event_ids, version
    FROM projections.command_outcome WHERE command_id = ${commandId}`;
  return row;
}

export async function timelineOf(db: Database, escrowId: string): Promise<TimelineRow[]> {
  return db.sql<TimelineRow>`
    SELECT at, kind, type, actor, correlation_id, summary, id, version, sealed
    FROM projections.timeline WHERE escrow_id = ${escrowId}
    ORDER BY at, version, kind, id LIMIT 1000`;
}

export async function balancesOf(db: Database, partyId: string): Promise<BalanceRow[]> {
  return db.sql<BalanceRow>`
    SELECT side, currency, escrows, held, reserved, released, refunded
    FROM projections.party_balance WHERE party_id = ${partyId} ORDER BY currency, side`;
}
