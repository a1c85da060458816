/**
 * What a batch of the log means to one consumer at one position: which records are new, which can
 * be handled together. Pure: the same records at the same position always give the same slice.
 */
import type { Message } from "@bufbuild/protobuf";
import { TerminalError } from "../errors.ts";
import { decode, UnknownTypeError } from "./codec.ts";
import type { LogRecord } from "./event-log.ts";
import type { Incoming } from "./handler.ts";
import { storable } from "./storable.ts";
import type { Topic } from "./topic.ts";

export type Received<M extends Message> =
  | { readonly kind: "message"; readonly record: LogRecord; readonly incoming: Incoming<M> }
  | { readonly kind: "undecodable"; readonly record: LogRecord; readonly error: unknown }
  | { readonly kind: "unknown"; readonly record: LogRecord; readonly error: Error };

export type Slice<M extends Message> =
  /** Everything was done before: by another owner, or in a transaction whose outcome was unknown. */
  | { readonly kind: "stale" }
  /** The records begin behind the position. */
  | { readonly kind: "gap" }
  | { readonly kind: "unknown"; readonly error: Error }
  | {
      readonly kind: "fresh";
      readonly received: readonly Exclude<Received<M>, { kind: "unknown" }>[];
      /** One behind the last record taken, repeats included. */
      readonly next: bigint;
    };

export function receive<M extends Message>(topic: Topic<M>, record: LogRecord): Received<M> {
  try {
    return { kind: "message", record, incoming: decode(topic, record) };
  } catch (error) {
    if (error instanceof UnknownTypeError) return { kind: "unknown", record, error };
    return { kind: "undecodable", record, error: terminal(error) };
  }
}

function terminal(error: unknown): TerminalError {
  if (error instanceof TerminalError) return error;
  return new TerminalError("undecodable message", { cause: error });
}

/** The key under which a record is set aside and blocked. */
export function keyOf(record: LogRecord): string {
  return storable(record.key);
}

/**
 * Ends before what cannot be handled in the same transaction: a hole in the offsets, an unknown
 * type, and a second message that has the id of an earlier one but says something else (the
 * handler must find the first one in its tables to tell that they conflict).
 */
export function sliceFrom<M extends Message>(
  all: readonly Received<M>[],
  position: bigint,
  gaps: boolean,
): Slice<M> {
  const fresh = all.filter(({ record }) => record.offset >= position);
  const [first] = fresh;
  if (first === undefined) return { kind: "stale" };
  if (first.record.offset > position && !gaps) return { kind: "gap" };
  if (first.kind === "unknown") return { kind: "unknown", error: first.error };

  const received: Exclude<Received<M>, { kind: "unknown" }>[] = [];
  const seen = new Map<string, Uint8Array>();
  let next = first.record.offset;
  for (const item of fresh) {
    if (item.kind === "unknown" || (item.record.offset !== next && !gaps)) break;
    if (item.kind === "message") {
      const earlier = seen.get(item.incoming.messageId);
      if (earlier !== undefined && !Buffer.from(earlier).equals(item.record.value)) break;
      seen.set(item.incoming.messageId, item.record.value);
      if (earlier === undefined) received.push(item);
    } else received.push(item);
    next = item.record.offset + 1n;
  }
  return { kind: "fresh", received, next };
}
