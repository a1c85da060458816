/** A principal as the scope of idempotency keys, and as the actor of a message. */
import { create } from "@bufbuild/protobuf";
import { type Actor, Actor_Kind, ActorSchema } from "#gen/escrow/v1/types_pb";
import type { Principal } from "../module.ts";

/** Issuer | subject | on-behalf-of. No part but the configured issuer can contain the separator. */
export function principalKey({ issuer, subject, onBehalfOf = "" }: Principal): string {
  return `${issuer}|${subject}|${onBehalfOf}`;
}

/** The member the command is judged for; a service that acts for one is named beside him. */
export function actorOf(principal: Principal): Actor {
  const { subject, onBehalfOf, roles } = principal;
  return create(ActorSchema, {
    kind: Actor_Kind.USER,
    id: onBehalfOf ?? subject,
    serviceId: onBehalfOf === undefined ? "" : subject,
    roles: [...roles],
    principal: principalKey(principal),
  });
}
