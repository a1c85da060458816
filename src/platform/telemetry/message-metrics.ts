/**
 * What is measured of messages: taken by handlers, published from the outbox, answered. The names are
 * an interface; labels are names of handlers and schemas only.
 */
import { Counter, Histogram, type Registry } from "prom-client";

export interface MessageMetrics {
  /** One batch of a handler: how many messages took effect or were parked, and how long it took. */
  handled(batch: { handler: string; count: number; parked: number; durationMs: number }): void;
  published(schema: string, count: number): void;
  /** A send was rejected; so many rows of it come again. */
  publishFailed(schema: string, count: number): void;
  /** The log refuses a row for good. */
  refused(schema: string): void;
  /** Rows that another publisher has left, and the relay published. */
  overdue(schema: string, count: number): void;
  /** Each message taken by a handler that turns commands or webhooks into events. */
  answered(kind: "command" | "webhook", waitedMs: readonly number[]): void;
}

const latencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createMessageMetrics(registry: Registry): MessageMetrics {
  const registers = [registry];
  const processed = new Counter({
    name: "kafka_events_processed_total",
    help: "Messages handled, by handler and result",
    labelNames: ["handler", "result"],
    registers,
  });
  const duration = new Histogram({
    name: "kafka_event_processing_duration_seconds",
    help: "Time of one batch transaction, by handler",
    labelNames: ["handler"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  });
  const publishedTotal = new Counter({
    name: "kafka_outbox_published",
    help: "Outbox rows acknowledged by the log, by schema",
    labelNames: ["schema"],
    registers,
  });
  const publishErrors = new Counter({
    name: "kafka_outbox_publish_errors",
    help: "Outbox rows whose send was rejected: they come again, or are set aside",
    labelNames: ["schema"],
    registers,
  });
  const batchFailures = new Counter({
    name: "kafka_outbox_batch_failures",
    help: "Sends of outbox rows that were rejected as a whole, by schema",
    labelNames: ["schema"],
    registers,
  });
  const overdueTotal = new Counter({
    name: "outbox_overdue_published_total",
    help: "Outbox rows a connector has left behind and the relay published, by schema",
    labelNames: ["schema"],
    registers,
  });
  const latencies = {
    command: new Histogram({
      name: "command_to_event_seconds",
      help: "From the log taking a command to the commit of the events it led to",
      buckets: latencyBuckets,
      registers,
    }),
    webhook: new Histogram({
      name: "webhook_to_event_seconds",
      help: "From the log taking a webhook to the commit of the event that says so",
      buckets: latencyBuckets,
      registers,
    }),
  };
  return {
    handled({ handler, count, parked, durationMs }) {
      processed.inc({ handler, result: "handled" }, count);
      processed.inc({ handler, result: "parked" }, parked);
      duration.observe({ handler }, durationMs / 1_000);
    },
    published: (schema, count) => publishedTotal.inc({ schema }, count),
    publishFailed(schema, count) {
      batchFailures.inc({ schema }, Math.min(count, 1));
      publishErrors.inc({ schema }, count);
    },
    refused: (schema) => publishErrors.inc({ schema }),
    overdue: (schema, count) => overdueTotal.inc({ schema }, count),
    answered(kind, waitedMs) {
      for (const ms of waitedMs) latencies[kind].observe(ms / 1_000);
    },
  };
}
