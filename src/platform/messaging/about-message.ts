/**
 * What a log line about a message says of it: where it stands, and what it is traced by. Never its
 * contents.
 */
import type { Logger } from "../telemetry/logger.ts";
import { traceIdOf } from "../telemetry/tracing.ts";
import type { LogRecord } from "./event-log.ts";
import type { SetAside } from "./parking.ts";

export interface AboutMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  readonly escrowId?: string;
  readonly messageId: string;
  readonly messageType: string;
  readonly correlationId: string;
  readonly traceId: string | undefined;
}

const maxLength = 200;

/** Headers are whatever a sender wrote: cut, and known by their own names only. */
export function aboutMessage({ topic, partition, offset, key, headers }: LogRecord): AboutMessage {
  return {
    topic,
    partition,
    offset: String(offset),
    key: short(key),
    ...(key.startsWith("esc_") && { escrowId: short(key) }),
    messageId: short(headers["message-id"]),
    messageType: short(headers["message-type"]),
    correlationId: short(headers["correlation-id"]),
    traceId: traceIdOf(headers.traceparent),
  };
}

function short(text = ""): string {
  return text.slice(0, maxLength);
}

/** One line for each message set aside; for the others only to whoever reads everything. */
export function tell(
  logger: Logger,
  taken: readonly LogRecord[],
  aside: readonly SetAside[],
): void {
  for (const { record, reason, error } of aside) {
    if (reason === "behind") continue;
    const where = { ...aboutMessage(record), err: error };
    if (reason === "failed") logger.warn(where, "message set aside: failed");
    // As where a message dies by its last try: nobody tries this one again by himself.
    else logger.error({ alarm: "dead-letter", ...where }, "message set aside: dead");
  }
  if (logger.isLevelEnabled?.("debug") !== true) return;
  for (const record of taken) logger.debug(aboutMessage(record), "message taken");
}
