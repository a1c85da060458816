/**
 * A span for each row that was published, under the context stored in the row. It is made afterwards
 * and changes nothing of what is sent: a row sent twice is the same bytes twice.
 */
import { sendAttributes } from "#platform/messaging/publishing/publisher";
import { passingTracer, type Tracer } from "#platform/telemetry/tracing";
import type { OutboxRow } from "./rows.ts";

export function traceSends(tracer: Tracer, rows: readonly OutboxRow[], startedAt: Date): void {
  if (tracer === passingTracer) return;
  for (const { topic, headers } of rows) {
    const { traceparent: parent } = headers;
    if (parent === undefined) continue;
    const attributes = { ...sendAttributes(topic), "app.outbox": true };
    tracer.start(`${topic} send`, { kind: "producer", parent, startedAt, attributes }).end();
  }
}
