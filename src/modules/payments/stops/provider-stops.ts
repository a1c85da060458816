/**
 * The line and who stops it: while a provider has a row here nothing is released through it, though
 * funding and refunds go on. Stopping is anybody's who sees a reason, resuming takes two operators.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type SealedText, SealedTextSchema } from "#gen/escrow/v1/types_pb";
import { ProviderResumedSchema, ProviderStoppedSchema } from "#gen/payments/v1/events_pb";
import type { Queryable, Tx } from "#platform/database/database";
import type { Cause } from "../cause.ts";
import type { TreasuryNotice } from "../treasury.ts";

export interface ProviderStop {
  readonly provider: string;
  /** RECONCILIATION or OPERATOR. */
  readonly reason: string;
  readonly stoppedBy: string;
  readonly stoppedAt: Date;
  readonly note: SealedText | undefined;
}

export async function stopsOf(db: Queryable): Promise<ReadonlyMap<string, ProviderStop>> {
  const rows = await db.sql<{
    provider: string;
    reason: string;
    stopped_by: string;
    stopped_at: Date;
    note: Uint8Array | null;
  }>`SELECT * FROM payments.provider_stop`;
  return new Map(
    rows.map(({ provider, reason, stopped_by: stoppedBy, stopped_at: stoppedAt, note }) => {
      const text = note === null ? undefined : fromBinary(SealedTextSchema, note);
      return [provider, { provider, reason, stoppedBy, stoppedAt, note: text }];
    }),
  );
}

export interface StopRequest extends Omit<ProviderStop, "stoppedAt"> {
  readonly cause: Cause;
}

/** Nothing is said of what was stopped already. */
export async function stopProvider(
  tx: Tx,
  { provider, reason, stoppedBy, note, cause }: StopRequest,
  now: Date,
): Promise<TreasuryNotice[]> {
  const text = note === undefined ? null : toBinary(SealedTextSchema, note);
  const stopped = await tx.sql`
    INSERT INTO payments.provider_stop (provider, reason, stopped_by, stopped_at, note)
    VALUES (${provider}, ${reason}, ${stoppedBy}, ${now}, ${text})
    ON CONFLICT (provider) DO NOTHING RETURNING provider`;
  if (stopped.length === 0) return [];
  const value = create(ProviderStoppedSchema, { reason, stoppedBy, ...(note && { note }) });
  return [{ subject: provider, body: { case: "providerStopped", value }, cause }];
}

export interface ResumeRequest {
  readonly provider: string;
  readonly approvedBy: readonly string[];
  readonly note: SealedText | undefined;
  readonly cause: Cause;
}

/** The breaks that are open are taken note of: they do not stop it again while they stay as they are. */
export async function resumeProvider(
  tx: Tx,
  { provider, approvedBy, note, cause }: ResumeRequest,
  now: Date,
): Promise<TreasuryNotice[]> {
  const resumed = await tx.sql`
    DELETE FROM payments.provider_stop WHERE provider = ${provider} RETURNING provider`;
  if (resumed.length === 0) return [];
  await tx.sql`
    UPDATE payments.reconciliation_break SET accepted_at = ${now}
    WHERE provider = ${provider} AND closed_at IS NULL AND accepted_at IS NULL`;
  const value = create(ProviderResumedSchema, {
    approvedBy: [...approvedBy],
    ...(note && { note }),
  });
  return [{ subject: provider, body: { case: "providerResumed", value }, cause }];
}
