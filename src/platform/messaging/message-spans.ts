/**
 * A span for each message of a batch, from its first attempt to the commit. What the handler says is
 * caused by that span: it sees the span's context in place of the one the message came with, while
 * the record itself, which may be parked, stays as it was.
 */
import type { Message } from "@bufbuild/protobuf";
import { passingSpan, passingTracer, type Span, type Tracer } from "../telemetry/tracing.ts";
import type { LogRecord } from "./event-log.ts";
import type { Incoming } from "./handler.ts";
import type { Received } from "./intake.ts";

export interface TracedMessages<M extends Message> {
  readonly received: readonly Received<M>[];
  /** `errorOf` says what each failed with, if anything. */
  end(result: string, errorOf: (record: LogRecord) => unknown): void;
}

export function traceMessages<M extends Message>(
  tracer: Tracer,
  consumer: string,
  received: readonly Received<M>[],
): TracedMessages<M> {
  if (tracer === passingTracer) return { received, end: () => undefined };
  const spans: { readonly span: Span; readonly record: LogRecord }[] = [];
  const traced = received.map((item): Received<M> => {
    if (item.kind !== "message") return item;
    const { record, incoming } = item;
    const span = tracer.start(`${incoming.topic} process`, {
      kind: "consumer",
      parent: incoming.headers.traceparent,
      attributes: attributesOf(consumer, incoming),
    });
    spans.push({ span, record });
    const { traceparent } = span;
    if (traceparent === undefined) return item;
    const headers = { ...incoming.headers, traceparent };
    return { kind: "message", record, incoming: { ...incoming, headers } };
  });
  return {
    received: traced,
    end: (result, errorOf) => {
      for (const { span, record } of spans) {
        span.set({ "app.result": result });
        span.end(errorOf(record));
      }
    },
  };
}

/** A listener's span: it takes one message at a time. */
export function startListenerSpan(tracer: Tracer, group: string, record: LogRecord): Span {
  const { topic, partition, offset, headers } = record;
  if (tracer === passingTracer) return passingSpan(headers.traceparent);
  const { "message-id": messageId = "", "message-type": messageType = "" } = headers;
  const correlationId = headers["correlation-id"] ?? "";
  const known = { topic, partition, offset, messageId, messageType, correlationId };
  return tracer.start(`${topic} process`, {
    kind: "consumer",
    parent: headers.traceparent,
    attributes: namesOf(group, known),
  });
}

type Named = Pick<
  Incoming,
  "topic" | "partition" | "offset" | "messageId" | "messageType" | "correlationId"
>;

function attributesOf(consumer: string, incoming: Incoming) {
  return { ...namesOf(consumer, incoming), ...escrowIdOf(incoming) };
}

function namesOf(
  consumer: string,
  { topic, partition, offset, messageId, messageType, correlationId }: Named,
) {
  return {
    "messaging.system": "kafka",
    "messaging.operation.type": "process",
    "messaging.destination.name": topic,
    "messaging.destination.partition.id": String(partition),
    "messaging.kafka.offset": Number(offset),
    "messaging.consumer.group.name": consumer,
    "messaging.message.id": messageId,
    "app.message_type": messageType,
    "app.correlation_id": correlationId,
  };
}

function escrowIdOf({ message }: Incoming): { readonly "app.escrow_id"?: string } {
  const { escrowId } = message as { readonly escrowId?: string };
  return escrowId === undefined || escrowId === "" ? {} : { "app.escrow_id": escrowId };
}
