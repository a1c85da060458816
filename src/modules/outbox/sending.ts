/**
 * Sends what was read from an outbox. Each topic has a producer of its own with one send in flight,
 * so that one that hangs, fails or does not exist waits alone; what the log refuses is set aside
 * with its key. A row is given to `acknowledged` only after the log has it.
 */
import type { Clock } from "#platform/clock";
import {
  type EventLog,
  type RecordRefusedError,
  TopicUnavailableError,
} from "#platform/messaging/event-log";
import { sendInHalves } from "#platform/messaging/publishing/send-in-halves";
import {
  createSingleProducer,
  type SingleProducer,
} from "#platform/messaging/publishing/single-producer";
import type { Logger } from "#platform/telemetry/logger";
import { createPausedTopics } from "./paused-topics.ts";
import { byTopic, produceRequests } from "./produce-requests.ts";
import type { OutboxRow } from "./rows.ts";

export interface Sending {
  /**
   * Resolves, soon even where a send hangs, to how many rows the log has and `acknowledged` took. The
   * topics of those that hang are excluded until they are done. Never rejects.
   */
  send(rows: readonly OutboxRow[]): Promise<number>;
  /** Topics whose rows must not be read now: they wait, or a send of theirs is in flight. */
  excluded(): readonly string[];
  /** True while rows of some topic are left behind. */
  behind(): boolean;
  problem(): string | undefined;
  /** Waits for the sends in flight. */
  close(): Promise<void>;
}

export interface SendingOptions {
  readonly log: Pick<EventLog, "createProducer">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** False when no further send may begin. */
  readonly safe: () => boolean;
  /** The log has them: they are removed, or left to whoever reads the topics. */
  readonly acknowledged: (rows: readonly OutboxRow[]) => Promise<void>;
  readonly setAside: (row: OutboxRow, error: RecordRefusedError) => Promise<void>;
  /** Rows the log has, and when their send began. */
  readonly onSent?: ((rows: readonly OutboxRow[], startedAt: Date) => void) | undefined;
  /** A send was rejected; so many rows come again. */
  readonly onFailed?: ((rows: number) => void) | undefined;
}

/** The broker is away or busy: it mostly comes back soon. */
const unknownPauses = { firstMs: 100, longestMs: 2_000 };
/** Someone has to create the topic or allow us to write it. */
const unavailablePauses = { firstMs: 1_000, longestMs: 30_000 };
/** So long the other topics wait for one that is slow; then they go on without it. */
const patienceMs = 200;

export function createSending(options: SendingOptions): Sending {
  const { log, clock, logger, safe, acknowledged, setAside } = options;
  const producers = new Map<string, SingleProducer>();
  const flying = new Map<string, Promise<void>>();
  const paused = createPausedTopics({ clock });

  const producerOf = (topic: string): SingleProducer => {
    const producer = producers.get(topic) ?? createSingleProducer(log);
    producers.set(topic, producer);
    return producer;
  };

  function pause(topic: string, error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error);
    if (error instanceof TopicUnavailableError) {
      paused.pause(topic, problem, unavailablePauses);
      logger.error({ topic, err: error }, "the topic cannot be written: it waits");
    } else {
      paused.pause(topic, problem, unknownPauses);
      logger.warn({ topic, err: error }, "not published: the same rows again");
    }
  }

  /** Fills `acked` also when it rejects. */
  async function sendTopic(
    topic: string,
    rows: readonly OutboxRow[],
    acked: OutboxRow[],
  ): Promise<void> {
    const producer = producerOf(topic);
    const heldKeys = new Set<string>();
    for (const items of produceRequests(rows)) {
      await sendInHalves({
        items,
        wanted: ({ key }) => safe() && !heldKeys.has(key),
        send: producer.send,
        sent: (row) => acked.push(row),
        refused: async (row, error) => {
          // Before the database is asked: whatever it says, nothing may overtake this row.
          heldKeys.add(row.key);
          await setAside(row, error);
        },
      });
    }
  }

  /** Resolves to how many rows `acknowledged` took; never rejects. */
  async function attempt(topic: string, rows: readonly OutboxRow[]): Promise<number> {
    const acked: OutboxRow[] = [];
    const startedAt = clock.wall();
    let removed = 0;
    try {
      try {
        await sendTopic(topic, rows, acked);
      } finally {
        await acknowledged(acked);
        removed = acked.length;
        if (removed > 0) options.onSent?.(acked, startedAt);
      }
      paused.clear(topic);
    } catch (error) {
      pause(topic, error);
      options.onFailed?.(rows.length - removed);
    }
    flying.delete(topic);
    return removed;
  }

  return {
    send: async (rows) => {
      let removed = 0;
      const sends = [...byTopic(rows)].map(([topic, waiting]) => {
        const sent = attempt(topic, waiting).then((count) => {
          removed += count;
        });
        flying.set(topic, sent);
        return sent;
      });
      const done = new AbortController();
      // Going on beside a send that hangs is safe: nothing else uses its producer or its topic.
      await Promise.race([Promise.all(sends), clock.sleep(patienceMs, done.signal)]);
      done.abort();
      return removed;
    },
    excluded: () => [...paused.waiting(), ...flying.keys()],
    behind: () => paused.any() || flying.size > 0,
    problem: paused.problem,
    close: async () => {
      await Promise.all(flying.values());
      await Promise.all([...producers.values()].map((producer) => producer.close()));
    },
  };
}
