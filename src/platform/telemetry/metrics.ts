/**
 * Prometheus metrics of this process. Names and meanings are an interface: dashboards and alerts
 * read them. Labels are handler, schema or check names only, never ids of people or escrows.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { createMessageMetrics, type MessageMetrics } from "./message-metrics.ts";

export interface Metrics extends MessageMetrics {
  requestServed(request: {
    method: string;
    route: string;
    status: number;
    durationMs: number;
  }): void;
  /** A value read at each scrape: backlog, lag, age. A failing read leaves the gauge out. */
  gauge(name: string, help: string, labelNames: readonly string[], read: GaugeReader): void;
  /** Times in seconds, under a name of the caller's. */
  histogram(options: HistogramOptions): (labels: Labels, seconds: number) => void;
  /** Counts one at each call. */
  counter(
    name: string,
    help: string,
    labelNames: readonly string[],
  ): (labels: Readonly<Record<string, string>>) => void;
  /** The text Prometheus scrapes, and its type. */
  metrics(): Promise<string>;
  readonly contentType: string;
}

type Labels = Readonly<Record<string, string>>;

export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly buckets: readonly number[];
}

export type GaugeReader = () => Promise<readonly { labels: Labels; value: number }[]>;

const requestBuckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time of one HTTP request, by route pattern",
    labelNames: ["method", "route", "status"],
    buckets: requestBuckets,
    registers,
  });
  return {
    ...createMessageMetrics(registry),
    histogram(options) {
      const { labelNames, buckets } = options;
      const made = new Histogram({
        ...options,
        labelNames: [...labelNames],
        buckets: [...buckets],
        registers,
      });
      return (labels, seconds) => made.observe({ ...labels }, seconds);
    },
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
    counter(name, help, labelNames) {
      const counter = new Counter({ name, help, labelNames: [...labelNames], registers });
      return (labels) => counter.inc({ ...labels });
    },
    metrics: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
