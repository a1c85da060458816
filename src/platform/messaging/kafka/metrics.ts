/** The connections to Kafka as metrics, there without a broker too: dashboards name them. */
import type { Breaker } from "../../breaker.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { KafkaObserver } from "./sockets.ts";

export function createKafkaObserver(metrics: Metrics): KafkaObserver {
  const connections = metrics.counter("kafka_connections", "Connections made to brokers", []);
  const errors = metrics.counter(
    "kafka_connection_errors",
    "Connections that failed or broke, by type",
    ["type"],
  );
  const producers = metrics.counter(
    "kafka_producer_init_failures",
    "Producers that could not connect",
    [],
  );
  const rebalances = metrics.counter(
    "kafka_rebalances_total",
    "Times a member of this process joined its group, at first or anew",
    ["group"],
  );
  return {
    connected: () => connections({}),
    connectionFailed: (code) => errors({ type: typeOf(code) }),
    producerFailed: () => producers({}),
    rebalanced: (group) => rebalances({ group }),
  };
}

const types: readonly [RegExp, string][] = [
  [/^(ENOTFOUND|EAI_|ENODATA)/, "dns"],
  [/^ECONNREFUSED$/, "refused"],
  [/^(ETIMEDOUT|ESILENT)$/, "timeout"],
  [/^(ECONNRESET|EPIPE|ECLOSED)$/, "closed"],
  [/CERT|SSL|TLS|UNABLE_TO|SELF_SIGNED/, "tls"],
  [/sasl|credentials/, "sasl"],
];

/** A small set of words: each is a time series. */
function typeOf(code: string): string {
  return types.find(([pattern]) => pattern.test(code))?.[1] ?? "other";
}

const states = { closed: 0, "half-open": 1, open: 2 };

export function registerBreakerState(metrics: Metrics, breaker: Breaker): void {
  const help = "Publishing from requests: 0 closed, 1 half-open, 2 open";
  metrics.gauge("kafka_breaker_state", help, [], async () => [
    { labels: {}, value: states[breaker.state()] },
  ]);
}
