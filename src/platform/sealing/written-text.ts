/** Which sealed text an escrow's event was written with: the timeline and the evidence pack agree on it. */
import type { Event } from "#gen/escrow/v1/events_pb";
import type { SealedText } from "#gen/escrow/v1/types_pb";

/** The free text an event carries. */
export function writtenWith({ body }: Pick<Event, "body">): SealedText | undefined {
  switch (body.case) {
    case "delivered":
      return body.value.note;
    case "evidenceAdded":
      return body.value.text;
    case "disputed":
    case "disputeResolved":
    case "cancelRequested":
    case "cancelled":
    case "releaseRequested":
    case "refundRequested":
      return body.value.reason;
    default:
      return undefined;
  }
}
