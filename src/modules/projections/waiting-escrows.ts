/** The deals that wait for an operator: disputed ones for the arbiter, releases that cannot be sent. */
import { fromBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { type EscrowRecord, EscrowRecordSchema } from "#gen/escrow/v1/queries_pb";
import { Lock_Kind, EscrowStatus_State as State, Timer_Kind } from "#gen/escrow/v1/types_pb";
import type { Database } from "#platform/database/database";

export interface WaitingEscrow {
  readonly kind: "DISPUTED" | "RELEASE_BLOCKED";
  readonly escrowId: string;
  readonly provider: string;
  /** What is not decided or not sent, minor units. */
  readonly amount: bigint;
  readonly currency: string;
  readonly code: string;
  readonly since: Date;
  /** When the terms decide in the arbiter's place. */
  readonly dueAt: Date | undefined;
}

export async function waitingEscrows(db: Database): Promise<readonly WaitingEscrow[]> {
  const rows = await db.sql<{ record: Uint8Array }>`
    SELECT record FROM projections.escrow_view WHERE state IN ('DISPUTED', 'RELEASE_BLOCKED')`;
  return rows.map(({ record }) => waiting(fromBinary(EscrowRecordSchema, record)));
}

function waiting({ escrowId, terms, status, updatedAt }: EscrowRecord): WaitingEscrow {
  const disputed = status?.state === State.DISPUTED;
  const locks = (status?.locks ?? []).filter(({ kind }) => kind === Lock_Kind.DISPUTE);
  const opened = earliest(locks.map(({ openedAt }) => openedAt));
  const due = (status?.timers ?? []).filter(
    ({ kind, paused }) => kind === Timer_Kind.ARBITER && !paused,
  );
  const { reason = "", since } = status?.releaseBlocked ?? {};
  return {
    kind: disputed ? "DISPUTED" : "RELEASE_BLOCKED",
    escrowId,
    provider: terms?.provider ?? "",
    amount: status?.funds?.held ?? 0n,
    currency: terms?.amount?.currency ?? "",
    code: disputed ? "" : reason,
    since: (disputed ? opened : earliest([since])) ?? earliest([updatedAt]) ?? new Date(0),
    dueAt: disputed ? earliest(due.map(({ dueAt }) => dueAt)) : undefined,
  };
}

function earliest(instants: readonly (Timestamp | undefined)[]): Date | undefined {
  const dates = instants.flatMap((at) => (at ? [timestampDate(at)] : []));
  return dates.sort((a, b) => a.getTime() - b.getTime())[0];
}
