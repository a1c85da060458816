/**
 * Reads one topic for one listener, at least once and in the order of keys. The group's position is
 * all it keeps; a failure makes its partition wait, and no other partition, topic or listener.
 */
import type { Clock } from "../clock.ts";
import { aboutMessage } from "../messaging/about-message.ts";
import { UnknownTypeError } from "../messaging/codec.ts";
import type {
  EventLog,
  LastDone,
  LogRecord,
  PartitionEnds,
  Subscription,
} from "../messaging/event-log.ts";
import { backoffMs } from "../messaging/failure.ts";
import { startListenerSpan } from "../messaging/message-spans.ts";
import type { Worker } from "../module.ts";
import type { Logger } from "../telemetry/logger.ts";
import { passingTracer, type Tracer } from "../telemetry/tracing.ts";
import { WorkerLostError } from "../workers/worker-lost-error.ts";
import type { Listener, ListenerContext, Reader } from "./listener.ts";
import { matchesType } from "./pattern.ts";

export interface ListenerWorkerOptions<T> {
  readonly listener: Listener<T>;
  readonly topic: string;
  readonly read: Reader<T>;
  readonly log: Pick<EventLog, "subscribe" | "ends">;
  readonly clock: Pick<Clock, "sleep" | "monotonicMs">;
  readonly logger: Logger;
  readonly tracer?: Tracer | undefined;
  readonly onTold?: ((told: Told) => void) | undefined;
  /** How long a step waits for a batch. */
  readonly pollMs?: number;
}

/** One message a listener has taken. */
export interface Told {
  readonly handler: string;
  readonly durationMs: number;
}

const maxRecords = 100;

export function groupOf(listener: string, topic: string): string {
  return `${listener}.${topic}`;
}

export function createListenerWorker<T>(options: ListenerWorkerOptions<T>): Worker {
  const { listener, topic, log, pollMs = 500 } = options;
  const group = groupOf(listener.name, topic);
  const logger = options.logger.child({ listener: listener.name, topic });
  /** Failures in a row of the message a partition stands at. */
  const failures = new Map<
    number,
    { readonly offset: bigint; readonly count: number; readonly cause: string }
  >();
  let subscription: Subscription | undefined;

  async function tell(record: LogRecord): Promise<boolean> {
    const { partition, offset } = record;
    const known = failures.get(partition);
    const count = known?.offset === offset ? known.count : 0;
    try {
      await told(options, record, { attempt: count + 1, logger });
      failures.delete(partition);
      return true;
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      failures.set(partition, { offset, count: count + 1, cause });
      logger.warn(
        { err: error, partition, offset, attempt: count + 1 },
        "a listener failed; trying again",
      );
      return false;
    }
  }

  return {
    name: group,
    idleMs: 10,
    async start() {
      const startAt = (_: string, partition: number, ends: PartitionEnds, lastDone: LastDone) =>
        positionOf(options, { ...ends, partition }, lastDone, logger);
      subscription ??= log.subscribe({ group, topics: [topic], startAt, maxRecords });
    },
    async step() {
      if (subscription === undefined) return "idle";
      if (subscription.state() === "lost") throw new WorkerLostError(`${group} lost its group`);
      const batch = await subscription.poll(pollMs);
      if (batch === null) return "idle";
      for (const [index, record] of batch.records.entries()) {
        if (await tell(record)) continue;
        // What was told before it is done; it comes again at the head of the next batch.
        if (index > 0) await batch.done(record.offset);
        else batch.retryAfter(backoffMs(failures.get(record.partition)?.count ?? 1));
        return "worked";
      }
      await batch.done((batch.records.at(-1)?.offset ?? batch.low - 1n) + 1n);
      return "worked";
    },
    async stop() {
      await subscription?.close();
      subscription = undefined;
    },
    problem() {
      const [failing] = failures.values();
      if (failing !== undefined) return `${group} fails: ${failing.cause}`;
      return subscription?.state() === "joined" ? undefined : `${group} has not joined its group`;
    },
  };
}

async function positionOf<T>(
  { listener: { fromBeginning = false }, log, topic }: ListenerWorkerOptions<T>,
  { low, end, partition }: PartitionEnds,
  lastDone: LastDone,
  logger: Logger,
): Promise<bigint> {
  const done = await lastDone();
  if (done === undefined) return fromBeginning ? low : end;
  // What another member has done since may lie behind an end that was read before.
  const now = done > end ? await log.ends([topic]) : [];
  const endNow = now.find((one) => one.partition === partition)?.end ?? end;
  if (done >= low && done <= endNow) return done;
  const at = done < low ? low : endNow;
  logger.error(
    { partition, done, low, end: endNow, at },
    "what comes next is not in the log any more: going on where it is",
  );
  return at;
}

/** What cannot be read never will be: it is reported and passed by. A newer type waits for a newer program. */
async function told<T>(
  options: ListenerWorkerOptions<T>,
  record: LogRecord,
  { attempt, logger }: Pick<ListenerContext, "attempt" | "logger">,
): Promise<void> {
  const { listener, topic, read, clock, tracer = passingTracer, onTold } = options;
  const { partition, offset, key, headers, appendedAt } = record;
  const messageType = headers["message-type"] ?? "";
  if (!matchesType(listener.types, messageType)) return;
  const message = readable(read, record, logger);
  if (message === undefined) return;
  const handler = groupOf(listener.name, topic);
  const startedMs = clock.monotonicMs();
  const span = startListenerSpan(tracer, handler, record);
  try {
    await listener.handle(message, {
      topic,
      partition,
      offset,
      key,
      headers,
      messageId: headers["message-id"] ?? "",
      messageType,
      correlationId: headers["correlation-id"] ?? "",
      appendedAt,
      attempt,
      logger: logger.child(aboutMessage(record)),
      span,
    });
  } catch (error) {
    span.end(error);
    throw error;
  }
  span.end();
  onTold?.({ handler, durationMs: clock.monotonicMs() - startedMs });
}

function readable<T>(read: Reader<T>, record: LogRecord, logger: Logger): T | undefined {
  try {
    return read(record);
  } catch (error) {
    if (error instanceof UnknownTypeError) throw error;
    const { partition, offset } = record;
    logger.error({ err: error, partition, offset }, "a message cannot be read: passed by");
    return undefined;
  }
}
