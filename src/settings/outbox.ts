/**
 * Who publishes the outbox: the relay of the role `outbox`, or a connector that reads the write-ahead
 * log; with a connector the role only removes what was published.
 */
import { z } from "zod";
import { oneOf, whole } from "./forms.ts";

export const outboxSettings = {
  OUTBOX_PUBLISHER: oneOf(["relay", "cdc"]).default("relay"),
  /** The connector's replication slot. */
  OUTBOX_SLOT: z
    .string()
    .regex(/^[a-z0-9_]{1,63}$/, { error: "a slot's name: a-z, 0-9 and _" })
    .default("app_outbox"),
  /** Seconds; longer than the connector's `delivery.timeout.ms`. */
  OUTBOX_CDC_GRACE: whole(0, 86_400).default(90),
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
