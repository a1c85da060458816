import { create } from "@bufbuild/protobuf";
import type { Batch, HandleBatch, HandlerDeclaration } from "#platform/messaging/handler";
import { defineHandler } from "#platform/messaging/handler";
import type { Topic } from "#platform/messaging/topic";
import type { Event as EventV1 } from "./gen/parcels/v1/events_pb.ts";
import { type Event, EventSchema, ParcelWeighedSchema } from "./gen/parcels/v2/events_pb.ts";

/** What version 1 said, in the words of version 2. Pure, defined for all of them, never changed. */
export function upcast({ eventId, parcelId, body }: EventV1): Event {
  const milligrams = BigInt(body.value?.grams ?? 0) * 1_000n;
  const weighed = create(ParcelWeighedSchema, { milligrams, scaleId: "unknown" });
  return create(EventSchema, { eventId, parcelId, body: { case: "weighed", value: weighed } });
}

function upcasted(batch: Batch<EventV1>): Batch<Event> {
  return {
    messages: batch.messages.map((one) => ({ ...one, message: upcast(one.message) })),
    each: (decide) => batch.each((one) => decide({ ...one, message: upcast(one.message) })),
  };
}

/** One reader of both topics: a position in each, and one way to handle what they say. */
export function parcelHandlers(
  v1: Topic<EventV1>,
  v2: Topic<Event>,
  handleBatch: HandleBatch<Event>,
): readonly [HandlerDeclaration<EventV1>, HandlerDeclaration<Event>] {
  return [
    defineHandler({
      name: "parcels.events-v1",
      topic: v1,
      handleBatch: (tx, batch) => handleBatch(tx, upcasted(batch)),
    }),
    defineHandler({ name: "parcels.events", topic: v2, handleBatch }),
  ];
}
