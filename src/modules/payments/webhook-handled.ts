/** A webhook that had its effect, for the escrow's timeline. */
import { create } from "@bufbuild/protobuf";
import { WebhookHandledSchema } from "#gen/payments/v1/events_pb";
import { type Effect, say } from "./domain/effect.ts";

export function webhookHandled({
  event_id,
  type,
}: {
  readonly event_id: string;
  readonly type: string;
}): Effect {
  const value = create(WebhookHandledSchema, { eventId: event_id, type });
  return say({ case: "webhookHandled", value });
}
