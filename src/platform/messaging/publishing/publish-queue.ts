/**
 * What waits to be published, in the order it came. A batch has one topic, so that a topic fails
 * alone, and no partition of it comes near the log's limit, which counts a partition's whole batch.
 */
import { NotSentError, TransientError } from "../../errors.ts";
import type { AppendedRecord, NewRecord } from "../event-log.ts";
import { maxPartitionBytes } from "../record-size.ts";

export interface Pending {
  readonly record: NewRecord;
  readonly partition: number;
  readonly bytes: number;
  /** By the monotonic clock. */
  readonly expiresAt: number;
  readonly resolve: (appended: AppendedRecord) => void;
  readonly reject: (error: Error) => void;
}

export interface PublishQueue {
  /** Messages waiting or in flight. */
  readonly size: number;
  /** Throws NotSentError when there is no room. */
  add(pending: Pending): void;
  /** Takes the next batch; empty when nothing waits. Its messages count until released. */
  next(): readonly Pending[];
  release(pending: Pending): void;
  /** Rejects what is overdue. What still waits leaves the queue; what is in flight stays counted. */
  expire(now: number): void;
}

const maxBatch = 1_000;

export function createPublishQueue(limits: {
  readonly maxMessages: number;
  readonly maxBytes: number;
}): PublishQueue {
  /** Sets keep the order of arrival. */
  const waiting = new Set<Pending>();
  const flying = new Set<Pending>();
  let bytes = 0;
  const size = (): number => waiting.size + flying.size;

  return {
    get size() {
      return size();
    },
    add: (pending) => {
      if (size() >= limits.maxMessages || bytes + pending.bytes > limits.maxBytes) {
        throw new NotSentError("too much is waiting for the log: try again later");
      }
      waiting.add(pending);
      bytes += pending.bytes;
    },
    next: () => {
      const batch = gather(waiting);
      for (const pending of batch) {
        waiting.delete(pending);
        flying.add(pending);
      }
      return batch;
    },
    release: (pending) => {
      if (flying.delete(pending)) bytes -= pending.bytes;
    },
    expire: (now) => {
      for (const pending of waiting) {
        if (pending.expiresAt > now) continue;
        waiting.delete(pending);
        bytes -= pending.bytes;
        pending.reject(new NotSentError("the log did not take it in time: it was not sent"));
      }
      for (const pending of flying) {
        if (pending.expiresAt > now) continue;
        pending.reject(
          new TransientError("the log did not answer in time: it may have been accepted"),
        );
      }
    },
  };
}

/** Of the topic that waits longest. A partition that is full keeps its later messages in order. */
function gather(waiting: ReadonlySet<Pending>): Pending[] {
  const batch: Pending[] = [];
  const filled = new Map<number, number>();
  let topic: string | undefined;
  for (const pending of waiting) {
    topic ??= pending.record.topic;
    if (pending.record.topic !== topic) continue;
    const before = filled.get(pending.partition) ?? 0;
    const after = before + pending.bytes;
    const fits = before === 0 || after <= maxPartitionBytes;
    filled.set(pending.partition, fits ? after : Number.POSITIVE_INFINITY);
    if (fits) batch.push(pending);
    if (batch.length === maxBatch) break;
  }
  return batch;
}
