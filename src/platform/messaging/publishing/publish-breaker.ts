/**
 * Spares callers of the API the waiting while the log is away: after a few failed sends nothing is
 * sent for some seconds, and a request is told so at once, knowing that nothing of it was written.
 * The relay has no use for it: it loses nothing by waiting.
 */
import { type Breaker, createBreaker } from "../../breaker.ts";
import type { Clock } from "../../clock.ts";
import { NotSentError, TransientError } from "../../errors.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { EventLog } from "../event-log.ts";
import { registerBreakerState } from "../kafka/metrics.ts";

/** A broker is back within seconds. */
const pauseMs = 5_000;

/** The log as requests publish to it; the breaker's state is a metric. */
export function sparingRequests(deps: {
  readonly log: Pick<EventLog, "createProducer">;
  readonly clock: Clock;
  readonly metrics: Metrics;
}): Pick<EventLog, "createProducer"> {
  const breaker = createBreaker({ clock: deps.clock, openMs: pauseMs });
  registerBreakerState(deps.metrics, breaker);
  return withBreaker(deps.log, breaker);
}

function withBreaker(
  log: Pick<EventLog, "createProducer">,
  breaker: Breaker,
): Pick<EventLog, "createProducer"> {
  return {
    createProducer: () => {
      const producer = log.createProducer();
      return {
        close: () => producer.close(),
        async send(records) {
          if (breaker.room(0, 1) === 0) {
            throw new NotSentError(
              "the log has been failing: nothing was sent, try again soon",
              breaker.openForMs(),
            );
          }
          try {
            const appended = await producer.send(records);
            breaker.succeeded();
            return appended;
          } catch (error) {
            // A record or a topic that is refused says nothing about the log.
            if (error instanceof TransientError) breaker.failed();
            throw error;
          }
        },
      };
    },
  };
}
