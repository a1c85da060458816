/**
 * Spares callers of the API the waiting while the log is away: after a few failed sends nothing is
 * sent for some seconds, and a request is told so at once, knowing that nothing of it was written.
 * The relay has no use for it: it loses nothing by waiting.
 */
import type { Breaker } from "../breaker.ts";
import { TransientError } from "../errors.ts";
import type { EventLog } from "./event-log.ts";

export function withBreaker(
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
            throw new TransientError("the log has been failing: nothing was sent, try again soon");
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
