/** The outbox module's face: for each module schema that has an outbox its relay; where a connector
 * publishes, also what removes the rows whose messages it has brought to the log. */
import type { Module } from "#platform/module";
import { publishedGroup } from "./published-positions.ts";
import { createPublishedRows, type PublishedRowsOptions } from "./published-rows.ts";
import { createRelay, type RelayOptions } from "./relay.ts";

export { listHeld, retryHeld } from "./held.ts";
export { createRelay } from "./relay.ts";

export interface OutboxModuleOptions {
  readonly relays: readonly RelayOptions[];
  /** Where a connector publishes; the relays then have `overdueAfterMs`. */
  readonly published?: PublishedRowsOptions | undefined;
}

/** Its workers belong to the supervisor's last stage: they publish what the others have said. */
export function createOutboxModule({ relays, published }: OutboxModuleOptions): Module {
  const workers = [
    ...relays.map(createRelay),
    ...(published === undefined ? [] : [createPublishedRows(published)]),
  ];
  const reading = published && { group: publishedGroup, topics: published.topics };
  return { name: "outbox", handlers: [], workers, reading };
}
