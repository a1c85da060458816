/**
 * How a decision is said: accepted bodies and rejections as events, reactions as commands to
 * payments. Every id follows from what is said and what caused it, so that deciding a batch again
 * says the same messages again.
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { CommandRejectedSchema, type Event, EventSchema } from "#gen/escrow/v1/events_pb";
import type { Actor, Escrow } from "#gen/escrow/v1/types_pb";
import { CommandSchema as PaymentsCommandSchema } from "#gen/payments/v1/commands_pb";
import { generateCommandEventId, generateEventId, hashFields } from "#kernel/ids";
import type { Outgoing } from "#platform/messaging/handler";
import { bodyTypeOf } from "#platform/messaging/topic";
import { topics } from "#topics";
import type { EventBody, PaymentsCommandBody, Rejection } from "./domain/messages.ts";
import { statusOf } from "./domain/status.ts";
import type { SaidEvent } from "./store.ts";
import { systemActor } from "./system-actor.ts";

/** What a decision is owed to: goes into every message it leads to. */
export interface Cause {
  readonly id: string;
  readonly correlationId: string;
  readonly fingerprint: string;
  readonly actor: Actor;
  readonly now: Timestamp;
  readonly traceparent: string | undefined;
}

export interface Accepted {
  readonly body: EventBody;
  /** The escrow with this body folded in: its version is the event's. */
  readonly after: Escrow;
  readonly lastOfCommand: boolean;
}

export function sayAccepted(cause: Cause, { body, after, lastOfCommand }: Accepted): SaidEvent {
  const { escrowId, version } = after;
  return say(cause, hashFields(String(version)), {
    escrowId,
    version,
    termsHash: after.termsHash,
    status: statusOf(after),
    lastOfCommand,
    body,
  });
}

export interface Rejected {
  readonly rejection: Rejection;
  readonly escrowId: string;
  /** The one it was judged at: a rejection raises none. */
  readonly version: bigint;
  /** Undefined when there is none of this id. */
  readonly escrow: Escrow | undefined;
}

export function sayRejected(
  cause: Cause,
  { rejection: { code, detail }, escrowId, version, escrow }: Rejected,
): SaidEvent {
  return say(cause, hashFields(cause.id), {
    escrowId,
    version,
    termsHash: escrow?.termsHash ?? "",
    ...(escrow && { status: statusOf(escrow) }),
    lastOfCommand: true,
    body: {
      case: "commandRejected",
      value: create(CommandRejectedSchema, { commandId: cause.id, code, detail }),
    },
  });
}

/** Encoded once: the history keeps byte for byte what goes to the topic. */
function say(
  cause: Cause,
  businessStateHash: string,
  said: Omit<MessageInitShape<typeof EventSchema>, "$typeName">,
): SaidEvent {
  const event: Event = create(EventSchema, {
    ...said,
    actor: cause.actor,
    correlationId: cause.correlationId,
    causationId: cause.id,
    occurredAt: cause.now,
    fingerprint: cause.fingerprint,
  });
  const type = bodyTypeOf(EventSchema, event);
  const occurredAt = timestampDate(cause.now);
  event.eventId = generateEventId(event.escrowId, type, businessStateHash, occurredAt);
  return { event, bytes: toBinary(EventSchema, event) };
}

export function eventMessage(
  { event, bytes }: SaidEvent,
  { correlationId, id, traceparent }: Cause,
): Outgoing {
  return {
    topic: topics.escrowEvents,
    message: event,
    bytes,
    correlationId,
    causationId: id,
    traceparent,
  };
}

/** What `event` calls for, as a command that payments meets once whatever comes twice. */
export function paymentsCommand(
  body: PaymentsCommandBody,
  { escrowId, eventId, body: said }: Pick<Event, "escrowId" | "eventId" | "body">,
  { correlationId, now, traceparent }: Cause,
): Outgoing {
  const message = create(PaymentsCommandSchema, {
    commandId: generateCommandEventId(
      escrowId,
      body.case,
      "system:escrow",
      subjectOf(body, eventId),
    ),
    escrowId,
    actor: systemActor,
    correlationId,
    causationId: eventId,
    sentAt: now,
    // What two operators lifted is lifted in their names.
    approvedBy: said.case === "unblocked" ? said.value.approvedBy : [],
    body,
  });
  return {
    topic: topics.paymentsCommands,
    message,
    correlationId,
    causationId: eventId,
    traceparent,
  };
}

/** One event may ask for the same of several things: each has a command of its own. */
function subjectOf(body: PaymentsCommandBody, eventId: string): string {
  return body.case === "decideReview" ? `${eventId}:${body.value.reviewId}` : eventId;
}
