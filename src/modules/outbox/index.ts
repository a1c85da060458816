/** The outbox module's face: for each module schema that has an outbox its relay, or
 * what follows a connector that publishes in the relay's place. */
import type { Module } from "#platform/module";
import { type ConfirmedRowsOptions, createConfirmedRows } from "./confirmed-rows.ts";
import { createRelay, type RelayOptions } from "./relay.ts";

export { listHeld, retryHeld } from "./held.ts";
export { createRelay, type PublishMeasures, type RelayOptions } from "./relay.ts";

export interface OutboxModuleOptions {
  readonly relays: readonly RelayOptions[];
  /** Instead of relays where a connector publishes. */
  readonly confirmed?: readonly ConfirmedRowsOptions[];
}

/** Its workers belong to the supervisor's last stage: they publish what the others have said. */
export function createOutboxModule({ relays, confirmed = [] }: OutboxModuleOptions): Module {
  const workers = [...relays.map(createRelay), ...confirmed.map(createConfirmedRows)];
  return { name: "outbox", handlers: [], workers };
}
