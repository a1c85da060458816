/**
 * Publishes for the HTTP routes: everything that comes while one send flies goes with the next.
 * Resolved means acknowledged. One send is in flight at a time, and memory is bounded: a log that
 * is away makes publishing fail at once, not the process grow.
 */
import type { Clock } from "../../clock.ts";
import { NotSentError, TerminalError, TransientError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { passingTracer, type Tracer } from "../../telemetry/tracing.ts";
import { encode } from "../codec.ts";
import type { AppendedRecord, EventLog, NewRecord } from "../event-log.ts";
import type { Outgoing } from "../handler.ts";
import { partitionOf } from "../partition.ts";
import { recordBytes, refuseOversized } from "../record-size.ts";
import { createPublishQueue, type Pending } from "./publish-queue.ts";
import { sendInHalves } from "./send-in-halves.ts";
import { createSingleProducer } from "./single-producer.ts";

export interface Publisher {
  /**
   * Rejects with NotSentError when the queue is full, the log was failing, or `deadlineMs` passed before
   * it left; with another TransientError when the outcome is unknown: the message may have been accepted
   * and may be published again with the same id. Rejects with TerminalError for a message the log refuses.
   */
  publish(outgoing: Outgoing, deadlineMs: number): Promise<AppendedRecord>;
  /** Accepts nothing more, sends what is waiting, and closes. */
  close(): Promise<void>;
}

export interface PublisherLimits {
  /** Waiting and in flight together. */
  readonly maxMessages: number;
  readonly maxBytes: number;
}

export interface PublisherOptions {
  readonly log: Pick<EventLog, "createProducer">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly producerName: string;
  readonly tracer?: Tracer;
  readonly limits?: PublisherLimits;
}

const defaultLimits: PublisherLimits = { maxMessages: 10_000, maxBytes: 32 * 1024 * 1024 };
/** How exactly deadlines are kept. One timer looks after all of them. */
const sweepMs = 25;

export function createPublisher({
  log,
  clock,
  logger,
  producerName,
  tracer = passingTracer,
  limits = defaultLimits,
}: PublisherOptions): Publisher {
  const producer = createSingleProducer(log);
  const queue = createPublishQueue(limits);
  let closing = false;
  let sending: Promise<void> | undefined;
  let sweeping = false;

  async function sendQueued(): Promise<void> {
    for (let batch = queue.next(); batch.length > 0; batch = queue.next()) {
      await sendBatch(batch);
      for (const pending of batch) queue.release(pending);
    }
    sending = undefined;
  }

  async function sendBatch(batch: readonly Pending[]): Promise<void> {
    try {
      await sendInHalves({
        items: batch,
        wanted: () => true,
        send: (part) => producer.send(part.map(({ record }) => record)),
        sent: (pending, appended) => {
          if (appended === undefined) pending.reject(unknownOutcome());
          else pending.resolve(appended);
        },
        refused: (pending, error) => {
          pending.reject(
            new TerminalError(`the log refuses it: ${error.message}`, { cause: error }),
          );
        },
      });
    } catch (error) {
      const known = error instanceof NotSentError ? "nothing was sent" : "outcome unknown";
      logger.warn({ err: error, messages: batch.length }, `not published: ${known}`);
      // Those that were answered already stay as they are.
      const outcome = error instanceof NotSentError ? error : unknownOutcome(error);
      for (const pending of batch) pending.reject(outcome);
    }
  }

  async function sweep(): Promise<void> {
    sweeping = true;
    while (queue.size > 0) {
      await clock.sleep(sweepMs);
      queue.expire(clock.monotonicMs());
    }
    sweeping = false;
  }

  function accept(
    record: NewRecord,
    partition: number,
    deadlineMs: number,
  ): Promise<AppendedRecord> {
    const { promise, resolve, reject } = Promise.withResolvers<AppendedRecord>();
    const expiresAt = clock.monotonicMs() + deadlineMs;
    queue.add({ record, partition, bytes: recordBytes(record), expiresAt, resolve, reject });
    // Not at once: what is published in the same turn leaves together.
    sending ??= Promise.resolve().then(sendQueued);
    if (!sweeping) void sweep();
    return promise;
  }

  return {
    publish: async (outgoing, deadlineMs) => {
      const { topic } = outgoing;
      if (closing) throw new NotSentError("this process is stopping");
      if (topic.writer !== undefined) {
        throw new TerminalError(`only the outbox of ${topic.writer} may write ${topic.name}`);
      }
      const span = tracer.start(`${topic.name} send`, {
        kind: "producer",
        parent: outgoing.traceparent,
        attributes: sendAttributes(topic.name),
      });
      try {
        const { traceparent } = span;
        const record = encode({ ...outgoing, traceparent }, producerName, clock.now());
        refuseOversized(record);
        const partition = partitionOf(record.key, topic.partitions);
        const appended = await accept(record, partition, deadlineMs);
        span.end();
        return appended;
      } catch (error) {
        span.end(error);
        throw error;
      }
    },
    close: async () => {
      closing = true;
      await sending;
      await producer.close();
    },
  };
}

export function sendAttributes(topic: string) {
  return {
    "messaging.system": "kafka",
    "messaging.operation.type": "send",
    "messaging.destination.name": topic,
  };
}

function unknownOutcome(cause?: unknown): TransientError {
  return new TransientError(
    "the log did not confirm it; it may have been accepted: repeat with the same key",
    { cause },
  );
}
