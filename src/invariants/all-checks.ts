/** Everything `app verify` asks: each module's own checks, and those that no module can see alone. */
import type { Clock } from "#platform/clock";
import type { Module } from "#platform/module";
import type { Check } from "#platform/verify/checks";
import type { Config } from "../config.ts";
import { bySchema, type Databases, type MessagingSchema, messagingSchemas } from "../stores.ts";
import { type BooksDeps, booksAgree } from "./books-agree.ts";
import { lettersAccount } from "./letters-account.ts";
import { nothingStuck } from "./nothing-stuck.ts";

export interface AllChecksDeps {
  readonly databases: Databases;
  readonly clock: Clock;
  readonly modules: Readonly<Record<MessagingSchema, Module>>;
  readonly books: Omit<BooksDeps, "clock">;
}

export function allChecks({ databases, clock, modules, books }: AllChecksDeps): Check[] {
  const handlers = bySchema((name) => modules[name].handlers);
  return [
    ...messagingSchemas.flatMap((name) => modules[name].checks ?? []),
    lettersAccount({ databases, handlers }),
    booksAgree({ ...books, clock }),
    nothingStuck({ databases, clock, handlers }),
  ];
}

/** What is younger is under way, not stuck. */
export function patienceOf({ OUTBOX_PUBLISHER, OUTBOX_CDC_PATIENCE }: Config): number {
  // What a connector leaves waits once or twice as long for the relay.
  return 60_000 + (OUTBOX_PUBLISHER === "cdc" ? 2_000 * OUTBOX_CDC_PATIENCE : 0);
}
