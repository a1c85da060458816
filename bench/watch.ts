/**
 * Reads the topics from outside, from their ends on, and notes when each message was there to be
 * read: on the same clock as the load.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { EventSchema } from "../src/gen/escrow/v1/events_pb.ts";
import { WebhookReceivedSchema } from "../src/gen/payments/v1/webhooks_pb.ts";
import type { LogRecord } from "../src/platform/messaging/event-log.ts";
import { topics } from "../src/topics.ts";
import type { Round } from "./environment.ts";

export interface Webhook {
  readonly objectId: string;
  readonly at: number;
}

export interface Watch {
  /** By the id of the command that caused it. */
  readonly eventAt: ReadonlyMap<string, number>;
  /** Escrows whose money is held, and since when. */
  readonly heldAt: ReadonlyMap<string, number>;
  /** By escrow: the hash its other party has to name. */
  readonly termsHashes: ReadonlyMap<string, string>;
  /** Escrows in the order of their creation. */
  readonly created: readonly string[];
  readonly webhooks: readonly Webhook[];
  stop(): Promise<void>;
}

/** Resolves once it is reading. */
export async function watchTopics({ log, config }: Round): Promise<Watch> {
  const eventAt = new Map<string, number>();
  const heldAt = new Map<string, number>();
  const termsHashes = new Map<string, string>();
  const created: string[] = [];
  const webhooks: Webhook[] = [];
  const subscription = log.subscribe({
    group: `${config.KAFKA_TOPIC_PREFIX}watch`,
    topics: [topics.escrowEvents.name, topics.webhookEvents.name],
    startAt: async (_topic, _partition, { end }) => end,
    maxRecords: 1_000,
  });

  function note({ topic, value }: LogRecord, at: number): void {
    if (topic === topics.webhookEvents.name) {
      webhooks.push({ objectId: fromBinary(WebhookReceivedSchema, value).objectId, at });
      return;
    }
    const event = fromBinary(EventSchema, value);
    if (!eventAt.has(event.causationId)) eventAt.set(event.causationId, at);
    if (event.body.case === "fundsHeld") heldAt.set(event.escrowId, at);
    if (event.body.case !== "created") return;
    termsHashes.set(event.escrowId, event.termsHash);
    created.push(event.escrowId);
  }

  let stopping = false;
  async function read(): Promise<void> {
    while (!stopping) {
      const batch = await subscription.poll(100);
      if (batch === null) continue;
      const at = performance.now();
      for (const record of batch.records) note(record, at);
      await batch.done((batch.records.at(-1)?.offset ?? 0n) + 1n);
    }
  }

  const reading = read();
  while (subscription.state() !== "joined") await Bun.sleep(50);
  return {
    eventAt,
    heldAt,
    termsHashes,
    created,
    webhooks,
    async stop() {
      stopping = true;
      await reading;
      await subscription.close();
    },
  };
}
