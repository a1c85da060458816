/** What is measured of the calls at providers: how long they take, how they end, and the breakers. */
import type { Breaker } from "#platform/breaker";
import type { Metrics } from "#platform/telemetry/metrics";
import type { Answer } from "../domain/conclude.ts";

export interface CallFigures {
  called(operation: { readonly provider: string; readonly kind: string }, answer: Answer): void;
  watch(provider: string, breaker: Breaker): void;
}

const buckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const breakerStates = { closed: 0, "half-open": 1, open: 2 } as const;

export function createCallFigures(metrics: Metrics | undefined): CallFigures {
  const breakers = new Map<string, Breaker>();
  const observe = metrics?.histogram({
    name: "provider_call_duration_seconds",
    help: "Time of one call or look-up at a provider",
    labelNames: ["provider", "call", "outcome"],
    buckets,
  });
  metrics?.gauge(
    "provider_breaker_state",
    "0 closed, 1 half-open, 2 open: nothing is asked of the provider",
    ["provider"],
    async () =>
      [...breakers].map(([provider, breaker]) => ({
        labels: { provider },
        value: breakerStates[breaker.state()],
      })),
  );
  return {
    called: ({ provider, kind: call }, { outcome, durationMs }) =>
      observe?.({ provider, call, outcome: outcome.kind }, durationMs / 1_000),
    watch: (provider, breaker) => void breakers.set(provider, breaker),
  };
}
