/** One message to the log and back: nothing else proves that both directions work. */
import { randomUUID } from "node:crypto";
import type { Clock } from "#platform/clock";
import type { EventLog } from "#platform/messaging/event-log";
import { createSingleProducer } from "#platform/messaging/publishing/single-producer";
import { probeTopic as topic } from "../kafka-rights.ts";

const pauseMs = 500;

/**
 * Resolves once a message went round. Without a broker the program starts all the same, degraded,
 * and readiness names the part; so this tries until it works, or until `stopping`.
 */
export async function roundTrip(
  log: Pick<EventLog, "createProducer" | "read">,
  clock: Pick<Clock, "sleep">,
  stopping?: AbortSignal,
): Promise<void> {
  // A producer is of no more use after a rejection, and right after a topic is made there are some.
  const producer = createSingleProducer(log);
  try {
    while (stopping?.aborted !== true && !(await wentRound().catch(() => false))) {
      await clock.sleep(pauseMs, stopping);
    }
  } finally {
    await producer.close();
  }

  async function wentRound(): Promise<boolean> {
    const value = new TextEncoder().encode(randomUUID());
    const [appended] = await producer.send([{ topic, key: "", value, headers: {} }]);
    if (appended === undefined) return false;
    const [read] = await log.read(topic, appended.partition, appended.offset, 1);
    return read !== undefined && Buffer.from(read.value).equals(Buffer.from(value));
  }
}
