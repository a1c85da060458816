/**
 * The rows of things at a provider. Webhooks and call outcomes both come here first, so that one
 * of them sees the other: a webhook that arrives before we know its object is kept and drained.
 */
import type { Tx } from "#platform/database/database";
import type { ProviderObjectRow } from "../schema.ts";

export interface ObjectKey {
  readonly provider: string;
  readonly objectId: string;
}

/** Inserts what is missing and locks all, in one order. Key of the result: `provider object`. */
export async function lockObjects(
  tx: Tx,
  keys: readonly ObjectKey[],
): Promise<Map<string, ProviderObjectRow>> {
  if (keys.length === 0) return new Map();
  const rows = await tx.sql<ProviderObjectRow>`
    INSERT INTO payments.provider_object AS o (provider, object_id, kind)
    SELECT DISTINCT k.provider, k.object_id, 'unmatched'
    FROM unnest(
      ${keys.map(({ provider }) => provider)}::text[],
      ${keys.map(({ objectId }) => objectId)}::text[]
    ) AS k(provider, object_id)
    ORDER BY k.provider, k.object_id
    ON CONFLICT (provider, object_id) DO UPDATE SET kind = o.kind
    RETURNING *`;
  return new Map(rows.map((row) => [`${row.provider} ${row.object_id}`, row]));
}

export interface ObjectLink extends ObjectKey {
  readonly kind: Exclude<ProviderObjectRow["kind"], "unmatched">;
  readonly escrowId: string | null;
  readonly operationId: string | null;
  readonly attempt: number | null;
  readonly partyId: string | null;
  /** When to read it again if no webhook comes; null: never. */
  readonly syncDueAt: Date | null;
}

/** Says whose the objects are. The caller has locked them. */
export async function linkObjects(tx: Tx, links: readonly ObjectLink[]): Promise<void> {
  if (links.length === 0) return;
  const rows = links.map((link) => ({
    provider: link.provider,
    object_id: link.objectId,
    kind: link.kind,
    escrow_id: link.escrowId,
    operation_id: link.operationId,
    attempt: link.attempt,
    party_id: link.partyId,
    sync_due_at: link.syncDueAt,
  }));
  await tx.sql`
    UPDATE payments.provider_object o SET
      kind = n.kind, escrow_id = n.escrow_id, operation_id = n.operation_id,
      attempt = n.attempt, party_id = n.party_id,
      sync_due_at = least(o.sync_due_at, n.sync_due_at), sync_tries = 0
    FROM jsonb_populate_recordset(NULL::payments.provider_object, ${JSON.stringify(rows)}::jsonb) n
    WHERE o.provider = n.provider AND o.object_id = n.object_id`;
}

export interface DrainedWebhook extends ObjectKey {
  readonly eventId: string;
  readonly type: string;
}

/** Webhooks that came before their object was known: each is a signal to read it now. */
export async function drainUnmatched(
  tx: Tx,
  keys: readonly ObjectKey[],
  now: Date,
): Promise<readonly DrainedWebhook[]> {
  if (keys.length === 0) return [];
  const drained = await tx.sql<DrainedWebhook>`
    UPDATE payments.webhook w SET matched = true
    FROM unnest(
      ${keys.map(({ provider }) => provider)}::text[],
      ${keys.map(({ objectId }) => objectId)}::text[]
    ) AS k(provider, object_id)
    WHERE w.provider = k.provider AND w.object_id = k.object_id AND NOT w.matched
    RETURNING w.provider, w.object_id AS "objectId", w.event_id AS "eventId", w.type`;
  await signal(tx, drained, now);
  return drained;
}

export interface Signal extends ObjectKey {
  readonly traceparent?: string | undefined;
}

/** The objects are read again now. */
export async function signal(tx: Tx, keys: readonly Signal[], now: Date): Promise<void> {
  if (keys.length === 0) return;
  await tx.sql`
    UPDATE payments.provider_object o
    SET signals = o.signals + 1, sync_due_at = ${now}::timestamptz, sync_tries = 0,
        traceparent = coalesce(k.traceparent, o.traceparent)
    FROM (
      SELECT provider, object_id, max(traceparent) AS traceparent
      FROM unnest(
        ${keys.map(({ provider }) => provider)}::text[],
        ${keys.map(({ objectId }) => objectId)}::text[],
        ${keys.map(({ traceparent }) => traceparent ?? null)}::text[]
      ) AS k(provider, object_id, traceparent)
      GROUP BY provider, object_id
    ) k WHERE o.provider = k.provider AND o.object_id = k.object_id`;
}

/** 10 minutes, 20, 40 … at most a day: webhooks are the rule, reading without one the net. */
export function pollAt(now: Date, tries: number): Date {
  const minutes = Math.min(10 * 2 ** Math.min(tries, 8), 24 * 60);
  return new Date(now.getTime() + minutes * 60_000);
}
