/** The outbox module's face: one relay for each module schema that has an outbox. */
import type { Module } from "#platform/module";
import { createRelay, type RelayOptions } from "./relay.ts";

export { type Backlog, type HeldRow, listHeld, outboxBacklog, retryHeld } from "./held.ts";
export { createRelay, type PublishMeasures, type RelayOptions } from "./relay.ts";

export interface OutboxModuleOptions {
  readonly relays: readonly RelayOptions[];
}

/** Its workers belong to the supervisor's last stage: they publish what the others have said. */
export function createOutboxModule({ relays }: OutboxModuleOptions): Module {
  return { name: "outbox", handlers: [], workers: relays.map(createRelay) };
}
