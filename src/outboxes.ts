/**
 * Each schema's outbox, and who publishes what lies in it: a relay per schema, or a connector whose
 * published rows are removed, with the relays for what it leaves behind.
 */
import type { Clock } from "#platform/clock";
import type { EventLog } from "#platform/messaging/event-log";
import { createOutbox, type Outbox } from "#platform/messaging/outbox";
import type { Logger } from "#platform/telemetry/logger";
import type { Metrics } from "#platform/telemetry/metrics";
import type { Tracer } from "#platform/telemetry/tracing";
import type { Config } from "./config.ts";
import { outboxTopics } from "./kafka-rights.ts";
import { bySchema, type Databases, type MessagingSchema, messagingSchemas } from "./stores.ts";

export type Outboxes = Readonly<Record<MessagingSchema, Outbox>>;

export function createOutboxes({ clock }: { readonly clock: Clock }): Outboxes {
  return bySchema((schema) => createOutbox({ schema, writer: schema, producerName: "app", clock }));
}

export interface PublishingDeps {
  readonly config: Config;
  readonly databases: Databases;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer?: Tracer;
  /** Unique among running processes: owner of leases and group memberships. */
  readonly processId: string;
}

/** What the outbox module is made with. */
export function publishingOf(deps: PublishingDeps, outboxes: Outboxes) {
  const { config, databases, log, clock, logger, metrics, tracer, processId } = deps;
  for (const schema of messagingSchemas) {
    // Shown before anything was published, and where nothing can be.
    metrics.published(schema, 0);
    metrics.publishFailed(schema, 0);
    metrics.overdue(schema, 0);
  }
  const cdc = config.OUTBOX_PUBLISHER === "cdc";
  const watched = messagingSchemas.map((schema) => ({ schema, db: databases[schema] }));
  return {
    relays: messagingSchemas.map((schema) => ({
      schema,
      db: databases[schema],
      ...(!cdc && { wakeOn: outboxes[schema] }),
      log,
      clock,
      logger,
      owner: processId,
      measure: metrics,
      ...(tracer && { tracer }),
      // It holds copies of dead letters only, and nobody waits for those.
      ...(schema === "projections" && { idleMs: 500 }),
      ...(cdc && { idleMs: 1_000, overdueAfterMs: config.OUTBOX_CDC_PATIENCE * 1_000 }),
    })),
    ...(cdc && {
      published: { outboxes: watched, log, topics: outboxTopics, clock, measure: metrics },
    }),
  };
}
