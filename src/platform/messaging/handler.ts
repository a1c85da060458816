/**
 * What a module writes to take part in messaging: a handler is a declaration and a function from a
 * batch to messages. It never sees the log, the outbox or an offset.
 */
import type { Message } from "@bufbuild/protobuf";
import type { Tx } from "../database/database.ts";
import type { AnyTopic, Topic } from "./topic.ts";

/** One decoded message as it came from the log. */
export interface Incoming<M extends Message = Message> {
  readonly message: M;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string;
  readonly messageId: string;
  readonly messageType: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly appendedAt: Date;
  readonly correlationId: string;
}

/** A message a handler says; the runtime puts it into the outbox as the transaction's last write. */
export interface Outgoing {
  readonly topic: AnyTopic;
  readonly message: Message;
  /** The message encoded, where the module stores the same bytes. */
  readonly bytes?: Uint8Array;
  readonly correlationId: string;
  readonly causationId: string;
  /** Context of the trace that caused it, carried in the outbox row. */
  readonly traceparent?: string | undefined;
}

export interface Batch<M extends Message = Message> {
  /** In offset order, without repeats of one id and without those of blocked keys. */
  readonly messages: readonly Incoming<M>[];
  /**
   * Calls `decide` for each message in order. A throw parks that message and everything of its key
   * behind it (`decide` is not called for those); what `decide` did in memory must take effect
   * only when it returns. Synchronous: it runs between the reads and the writes of one transaction.
   */
  each(decide: (message: Incoming<M>) => void): void;
}

/** Loads and locks, decides by `batch.each`, writes, and returns what is to be said. One transaction. */
export type HandleBatch<M extends Message> = (
  tx: Tx,
  batch: Batch<M>,
) => Promise<readonly Outgoing[]>;

export interface HandlerDeclaration<M extends Message = Message> {
  /** `<module>.<handler>`; the consumer group and the cursor's name. */
  readonly name: string;
  readonly topic: Topic<M>;
  readonly handleBatch: HandleBatch<M>;
  /** "none": a failing message is parked alone, its key flows on. */
  readonly order?: "key" | "none";
  /**
   * True of what is said once and waited for: without it its key waits for ever. A letter of it is
   * mended and replayed, never discarded.
   */
  readonly indispensable?: (message: M) => boolean;
  /** Topics of outside writers may have offsets that no message takes (control records). */
  readonly gaps?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: a list of handlers of different messages has no narrower type
export type AnyHandler = HandlerDeclaration<any>;

/** Keeps the message type inside while lists hold handlers of different messages. */
export function defineHandler<M extends Message>(
  handler: HandlerDeclaration<M>,
): HandlerDeclaration<M> {
  return handler;
}
