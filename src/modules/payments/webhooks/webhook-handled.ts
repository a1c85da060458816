/** A webhook that had its effect, for the escrow's timeline. */
import { create } from "@bufbuild/protobuf";
import { WebhookHandledSchema } from "#gen/payments/v1/events_pb";
import { type Effect, say } from "../domain/effect.ts";

export function webhookHandled({
  eventId,
  type,
}: {
  readonly eventId: string;
  readonly type: string;
}): Effect {
  const value = create(WebhookHandledSchema, { eventId, type });
  return say({ case: "webhookHandled", value });
}
