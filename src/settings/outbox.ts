/**
 * Who publishes the outbox: the relay of the role `outbox`, or a connector that reads the write-ahead
 * log; then the role removes what was published, and publishes only what the connector leaves behind.
 */
import type { z } from "zod";
import { oneOf, whole } from "./forms.ts";

export const outboxSettings = {
  OUTBOX_PUBLISHER: oneOf(["relay", "cdc"]).default("relay"),
  /** Seconds; what the connector has not brought to its topic by then, or twice then, the relay does. The doctor says when that is too long. */
  OUTBOX_CDC_PATIENCE: whole(1, 86_400).default(60),
};

interface Settings extends Readonly<z.output<z.ZodObject<typeof outboxSettings>>> {
  readonly embedded: boolean;
  readonly kafka: boolean;
  readonly KAFKA_SCHEMA_REGISTRY_URL?: string | undefined;
}

/** What change data capture cannot be had with. */
export function outboxContradictions(settings: Settings) {
  if (settings.OUTBOX_PUBLISHER !== "cdc") return [];
  const { embedded, kafka, KAFKA_SCHEMA_REGISTRY_URL: registry } = settings;
  const needs = [
    ...(embedded ? ["relay, or DATABASE_URL: an embedded database has no log to read"] : []),
    ...(kafka ? [] : ["relay, or KAFKA_BROKERS: the connector writes to Kafka"]),
    ...(registry ? ["relay: the connector does not frame values for a schema registry"] : []),
  ];
  const name = "OUTBOX_PUBLISHER" as const;
  return needs.map((expected) => ({ name, value: "cdc", expected }));
}
