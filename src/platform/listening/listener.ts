/**
 * What someone writes who only wants to react to messages: a name, a topic or a pattern, a function.
 * A listener has no tables of its own, so a message may come to it twice and it must not mind; what
 * changes state belongs into a handler, whose effects come once.
 */

import type { LogRecord } from "../messaging/event-log.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Span } from "../telemetry/tracing.ts";

/** From a record to what the listener is told; undefined for records that say nothing. Throws for what it cannot read. */
export type Reader<T> = (record: LogRecord) => T | undefined;

export interface ListenerContext {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly messageId: string;
  /** The full proto name of the payload, where the topic is ours. */
  readonly messageType: string;
  readonly correlationId: string;
  readonly appendedAt: Date;
  /** 1 at first, one more after each failure in this process. */
  readonly attempt: number;
  /** Its lines name the message. */
  readonly logger: Logger;
  /** Of this message; what the listener asks of others goes under its context. */
  readonly span: Span;
}

export interface Listener<T = unknown> {
  /** `<module>.<listener>`; with a topic's name behind it, the consumer group. */
  readonly name: string;
  /** A topic's name, or a pattern over the catalogue: "*.events.v1", "*". */
  readonly on: string;
  /** Full or short names of payloads, with wildcards: "EscrowDisputed", "Escrow*". All unless said. */
  readonly types?: readonly string[];
  /** Where a group starts that never read the topic: at its beginning, or at its end as of now. */
  readonly fromBeginning?: boolean;
  /** How the records of a topic outside the catalogue are read; the catalogue's have their own way. */
  readonly read?: Reader<T>;
  /**
   * A throw is tried again after a growing pause, without end: the partition waits, so that the order
   * of keys is kept, and nothing else does.
   */
  readonly handle: (message: T, context: ListenerContext) => Promise<void> | void;
}

// biome-ignore lint/suspicious/noExplicitAny: a list of listeners to different messages has no narrower type
export type AnyListener = Listener<any>;

/** Keeps the message's type inside while lists hold listeners to different ones. */
export function defineListener<T>(listener: Listener<T>): Listener<T> {
  return listener;
}
