/**
 * Sends what was read from an outbox, topic by topic: one produce request for each, one send in
 * flight. What fails waits with its topic, what the log refuses is set aside with its key.
 */
import type { Clock } from "#platform/clock";
import type { Logger } from "#platform/logger";
import {
  type EventLog,
  type RecordRefusedError,
  TopicUnavailableError,
} from "#platform/messaging/event-log";
import { sendInHalves } from "#platform/messaging/send-in-halves";
import { createSingleProducer } from "#platform/messaging/single-producer";
import { createPausedTopics, type PausedTopics } from "./paused-topics.ts";
import { byTopic, produceRequests } from "./produce-requests.ts";
import type { OutboxRow } from "./rows.ts";

export interface Sending {
  readonly paused: PausedTopics;
  /** Resolves to the rows that were acknowledged, in the order of their sends. Never rejects. */
  send(rows: readonly OutboxRow[]): Promise<readonly OutboxRow[]>;
  close(): Promise<void>;
}

export interface SendingOptions {
  readonly log: Pick<EventLog, "createProducer">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** False when no further send may begin. */
  readonly safe: () => boolean;
  readonly setAside: (row: OutboxRow, error: RecordRefusedError) => Promise<void>;
}

/** The broker is away or busy: it mostly comes back soon. */
const unknownPauses = { firstMs: 100, longestMs: 2_000 };
/** Someone has to create the topic or allow us to write it. */
const unavailablePauses = { firstMs: 1_000, longestMs: 30_000 };

export function createSending({ log, clock, logger, safe, setAside }: SendingOptions): Sending {
  const producer = createSingleProducer(log);
  const paused = createPausedTopics({ clock });

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

  async function sendTopic(rows: readonly OutboxRow[], acked: OutboxRow[]): Promise<void> {
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

  return {
    paused,
    send: async (rows) => {
      const acked: OutboxRow[] = [];
      for (const [topic, waiting] of byTopic(rows)) {
        try {
          await sendTopic(waiting, acked);
          paused.clear(topic);
        } catch (error) {
          pause(topic, error);
          // The log itself may be away: not every topic has to find that out in one step.
          if (!(error instanceof TopicUnavailableError)) break;
        }
      }
      return acked;
    },
    close: producer.close,
  };
}
