/**
 * Takes webhooks in: a dedupe row for ever, and a signal to read the object again, in one
 * transaction. What a webhook says is never believed; only what the object is when it is read.
 */
import type { WebhookReceived } from "#gen/payments/v1/webhooks_pb";
import type { Clock } from "#platform/clock";
import { SqlColumns, type Tx } from "#platform/database/database";
import { defineHandler, type HandlerDeclaration, type Incoming } from "#platform/messaging/handler";
import type { Logger } from "#platform/telemetry/logger";
import { passingTracer, type Tracer } from "#platform/telemetry/tracing";
import { topics } from "#topics";
import { createJournal } from "../journal.ts";
import { lockObjects, signal } from "../recording/objects.ts";
import type { ProviderObjectRow } from "../schema.ts";
import { lockRoots } from "../store.ts";
import { traceWebhooks } from "./trace-webhooks.ts";
import { webhookHandled } from "./webhook-handled.ts";

export interface WebhookHandlerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tracer?: Tracer | undefined;
}

export function createWebhookHandler({
  clock,
  logger,
  tracer = passingTracer,
}: WebhookHandlerOptions): HandlerDeclaration<WebhookReceived> {
  return defineHandler({
    name: "payments.webhooks",
    topic: topics.webhookEvents,
    handleBatch: async (tx, batch) => {
      const now = clock.now();
      const arrived: Incoming<WebhookReceived>[] = [];
      batch.each((incoming) => {
        arrived.push(incoming);
      });
      const webhooks = arrived.map(({ message }) => message);
      const objects = await lockObjects(tx, webhooks);
      const fresh = await remember(tx, webhooks, objects, now);
      const repeats = webhooks.filter((webhook) => !fresh.includes(webhook));
      await alarmOfOthers(tx, repeats, logger);
      const known = fresh.filter((webhook) => isOurs(objectOf(webhook, objects)));
      const roots = await lockRoots(
        tx,
        known.flatMap((webhook) => objectOf(webhook, objects)?.escrow_id ?? []),
      );
      const told = arrived.filter(({ message }) => fresh.includes(message));
      const traces = await traceWebhooks(tx, told, objects, tracer);
      const journal = createJournal({ now });
      for (const webhook of known) {
        const root = roots.get(objectOf(webhook, objects)?.escrow_id ?? "");
        const { eventId, type, correlationId } = webhook;
        const cause = { correlationId, causationId: eventId, traceparent: traces.get(webhook) };
        if (root !== undefined) {
          journal.apply(root, [webhookHandled({ eventId, type })], cause);
        }
      }
      // What nobody knows yet is read too: a dispute has no call of ours before it.
      await nameAccounts(tx, fresh);
      await signal(
        tx,
        told.map(({ message: { provider, objectId }, headers: { traceparent } }) => ({
          provider,
          objectId,
          traceparent,
        })),
        now,
      );
      await journal.write(tx);
      return journal.outgoing;
    },
  });
}

/** Those whose dedupe row is new: the others had their effect. */
async function remember(
  tx: Tx,
  webhooks: readonly WebhookReceived[],
  objects: ReadonlyMap<string, ProviderObjectRow>,
  now: Date,
): Promise<WebhookReceived[]> {
  if (webhooks.length === 0) return [];
  const rows = webhooks.map((webhook) => ({
    provider: webhook.provider,
    event_id: webhook.eventId,
    type: webhook.type,
    object_id: webhook.objectId,
    received_at: now,
    matched: isOurs(objectOf(webhook, objects)),
  }));
  const columns = new SqlColumns(rows);
  const inserted = await tx.sql<{ provider: string; event_id: string }>`
    INSERT INTO payments.webhook (${columns})
    SELECT ${columns}
    FROM jsonb_populate_recordset(NULL::payments.webhook, ${JSON.stringify(rows)}::jsonb)
    ORDER BY provider, event_id
    ON CONFLICT (provider, event_id) DO NOTHING RETURNING provider, event_id`;
  const fresh = new Set(inserted.map(({ provider, event_id }) => `${provider} ${event_id}`));
  return webhooks.filter(({ provider, eventId }) => fresh.delete(`${provider} ${eventId}`));
}

/** The first stays: an id that comes with another event is the provider's fault, or somebody's attempt. */
async function alarmOfOthers(
  tx: Tx,
  repeats: readonly WebhookReceived[],
  logger: Logger,
): Promise<void> {
  if (repeats.length === 0) return;
  const others = await tx.sql<{ provider: string; event_id: string }>`
    SELECT w.provider, w.event_id FROM payments.webhook w
    JOIN unnest(${repeats.map(({ provider }) => provider)}::text[],
      ${repeats.map(({ eventId }) => eventId)}::text[], ${repeats.map(({ type }) => type)}::text[],
      ${repeats.map(({ objectId }) => objectId)}::text[]) AS r(provider, event_id, type, object_id)
      ON w.provider = r.provider AND w.event_id = r.event_id
    WHERE (w.type, w.object_id) <> (r.type, r.object_id)`;
  for (const { provider, event_id: eventId } of others) {
    const alarm = "webhook-conflict";
    logger.error({ alarm, provider, eventId }, "one webhook id came with two different events");
  }
}

/** Where what a webhook tells of is to be read. */
async function nameAccounts(tx: Tx, webhooks: readonly WebhookReceived[]): Promise<void> {
  const named = webhooks.filter(({ account }) => account !== "");
  if (named.length === 0) return;
  await tx.sql`
    UPDATE payments.provider_object o SET account = k.account
    FROM (
      SELECT DISTINCT ON (provider, object_id) provider, object_id, account
      FROM unnest(${named.map(({ provider }) => provider)}::text[],
        ${named.map(({ objectId }) => objectId)}::text[],
        ${named.map(({ account }) => account)}::text[]) AS k(provider, object_id, account)
    ) k WHERE o.provider = k.provider AND o.object_id = k.object_id`;
}

function objectOf(
  { provider, objectId }: WebhookReceived,
  objects: ReadonlyMap<string, ProviderObjectRow>,
): ProviderObjectRow | undefined {
  return objects.get(`${provider} ${objectId}`);
}

function isOurs(object: ProviderObjectRow | undefined): boolean {
  return object !== undefined && object.kind !== "unmatched";
}
