/**
 * Prometheus metrics of this process. Names and meanings are an interface: dashboards and alerts
 * read them. Labels are handler, schema or check names only, never ids of people or escrows.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  /** One batch of a handler: how many messages took effect or were parked, and how long it took. */
  handled(batch: { handler: string; count: number; parked: number; durationMs: number }): void;
  published(schema: string, count: number): void;
  publishFailed(schema: string): void;
  requestServed(request: {
    method: string;
    route: string;
    status: number;
    durationMs: number;
  }): void;
  /** A value read at each scrape: backlog, lag, age. A failing read leaves the gauge out. */
  gauge(name: string, help: string, labelNames: readonly string[], read: GaugeReader): void;
  /** The text Prometheus scrapes, and its type. */
  metrics(): Promise<string>;
  readonly contentType: string;
}

export type GaugeReader = () => Promise<
  readonly { labels: Readonly<Record<string, string>>; value: number }[]
>;

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
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
    help: "Sends of outbox rows that were rejected, by schema",
    labelNames: ["schema"],
    registers,
  });
  const requests = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time of one HTTP request, by route pattern",
    labelNames: ["method", "route", "status"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  });
  return {
    handled({ handler, count, parked, durationMs }) {
      processed.inc({ handler, result: "handled" }, count);
      processed.inc({ handler, result: "parked" }, parked);
      duration.observe({ handler }, durationMs / 1_000);
    },
    published: (schema, count) => publishedTotal.inc({ schema }, count),
    publishFailed: (schema) => publishErrors.inc({ schema }),
    requestServed({ method, route, status, durationMs }) {
      requests.observe({ method, route, status: String(status) }, durationMs / 1_000);
    },
    gauge(name, help, labelNames, read) {
      new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers,
        async collect() {
          this.reset();
          try {
            for (const { labels, value } of await read()) this.set({ ...labels }, value);
          } catch {
            // What is read is unreachable: readiness says so, a scrape must not fail for it.
          }
        },
      });
    },
    metrics: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
