/**
 * Between a typed message and a record of the log. What cannot be decoded or breaks a rule of the
 * proto is terminal; an unknown payload type is a missing deployment and must stop the partition.
 */
import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { TerminalError } from "../errors.ts";
import { messageRules } from "../message-rules.ts";
import type { LogRecord, NewRecord } from "./event-log.ts";
import type { Incoming, Outgoing } from "./handler.ts";
import type { Topic } from "./topic.ts";

/** The payload's type or major version is newer than this program: nothing may be skipped. */
export class UnknownTypeError extends Error {
  override readonly name = "UnknownTypeError";
}

const schemaVersion = "1";
const maxValueBytes = 1_048_576;

/**
 * Throws TerminalError for what no reader would take: refused here, it harms nobody; on the topic it
 * would hold back its key.
 */
export function encode(outgoing: Outgoing, producer: string, now: Date): NewRecord {
  const { topic, message, bytes, correlationId, causationId, traceparent } = outgoing;
  // What one module alone says is made of parts that were checked when they came in.
  if (topic.writer === undefined) check(topic, message);
  return {
    topic: topic.name,
    key: topic.keyOf(message),
    value: bytes ?? toBinary(topic.schema, message),
    headers: {
      "message-id": topic.idOf(message),
      "message-type": topic.typeOf(message),
      "schema-version": schemaVersion,
      "correlation-id": correlationId,
      "causation-id": causationId,
      ...(traceparent && traceHeaders(traceparent)),
      "occurred-at": now.toISOString(),
      producer,
      "content-type": "application/protobuf",
    },
  };
}

/** Throws TerminalError when undecodable, invalid or filed under another key; UnknownTypeError when newer than us. */
export function decode<M extends Message>(topic: Topic<M>, record: LogRecord): Incoming<M> {
  if (majorOf(record.headers["schema-version"]) > Number(schemaVersion)) {
    throw new UnknownTypeError(
      `schema version ${record.headers["schema-version"]} on ${topic.name}`,
    );
  }
  const message = parse(topic, record);
  const key = topic.keyOf(message);
  // Before anything is called newer than us: bytes at random are full of unknown fields.
  if (key !== record.key) {
    throw new TerminalError(`key ${record.key} does not match the payload's ${key}`);
  }
  if (lacksBody(message)) {
    const newer = Object.keys(message.$unknown ?? {}).length > 0 && topic.idOf(message) !== "";
    if (newer) throw new UnknownTypeError(`unknown payload on ${topic.name}`);
    throw new TerminalError(`no payload in a message of ${topic.name}`);
  }
  check(topic, message);
  return {
    message,
    messageType: topic.typeOf(message),
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    key,
    messageId: topic.idOf(message),
    headers: record.headers,
    appendedAt: record.appendedAt,
    correlationId: record.headers["correlation-id"] ?? "",
  };
}

function check<M extends Message>(topic: Topic<M>, message: M): void {
  const checked = messageRules.validate(topic.schema, message);
  if (checked.kind !== "valid") {
    throw new TerminalError(`invalid message: ${checked.error.message}`);
  }
}

function parse<M extends Message>(topic: Topic<M>, record: LogRecord): M {
  if (record.value.length > maxValueBytes)
    throw new TerminalError(`message of ${record.value.length} bytes`);
  try {
    return fromBinary(topic.schema, record.value);
  } catch (error) {
    throw new TerminalError(`undecodable message on ${topic.name}`, { cause: error });
  }
}

function majorOf(version: string | undefined): number {
  return Number.parseInt(version ?? "1", 10) || 1;
}

function lacksBody(message: Message): boolean {
  const body = (message as { body?: { case?: string } }).body;
  return body !== undefined && body.case === undefined;
}

/** W3C's header, and its parts for readers of the older names. */
function traceHeaders(traceparent: string): Record<string, string> {
  const [, traceId = "", spanId = ""] = traceparent.split("-");
  return { traceparent, "x-trace-id": traceId, "x-span-id": spanId };
}
