/**
 * Under which trace a webhook's effect is found: the one of the call that made its object, where
 * there is one, with a link to the provider's own request; else that request's.
 */
import type { WebhookReceived } from "#gen/payments/v1/webhooks_pb";
import type { Tx } from "#platform/database/database";
import type { Incoming } from "#platform/messaging/handler";
import type { Tracer } from "#platform/telemetry/tracing";
import type { ProviderObjectRow } from "../schema.ts";

export async function traceWebhooks(
  tx: Tx,
  arrived: readonly Incoming<WebhookReceived>[],
  objects: ReadonlyMap<string, ProviderObjectRow>,
  tracer: Tracer,
): Promise<ReadonlyMap<WebhookReceived, string | undefined>> {
  const operationOf = ({ provider, objectId }: WebhookReceived) =>
    objects.get(`${provider} ${objectId}`)?.operation_id ?? "";
  const contexts = await openedUnder(
    tx,
    arrived.map(({ message }) => operationOf(message)),
  );
  return new Map(
    arrived.map(({ message, headers }) => {
      const opened = contexts.get(operationOf(message));
      if (!opened) return [message, headers.traceparent];
      const span = tracer.start(`${message.provider} webhook ${message.type}`, {
        kind: "internal",
        parent: opened,
        links: [headers.traceparent],
        attributes: {
          "app.provider": message.provider,
          "app.correlation_id": message.correlationId,
        },
      });
      span.end();
      return [message, span.traceparent];
    }),
  );
}

async function openedUnder(
  tx: Tx,
  operationIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(operationIds.filter((id) => id !== ""))];
  if (ids.length === 0) return new Map();
  const rows = await tx.sql<{ operation_id: string; traceparent: string }>`
    SELECT operation_id, traceparent FROM payments.operation
    WHERE operation_id = ANY(${ids}::text[])`;
  return new Map(rows.map((row) => [row.operation_id, row.traceparent]));
}
