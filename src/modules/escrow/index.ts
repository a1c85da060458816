/**
 * The face of the escrow module: command routes, the handlers that decide, the timers. What leaves
 * beside that are pure functions and readings that roles.ts hands to others.
 */
import type { Book } from "#platform/books";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database";
import type { Outcomes } from "#platform/http/outcomes";
import type { Keyring } from "#platform/keyring";
import type { Outbox } from "#platform/messaging/outbox";
import type { Publisher } from "#platform/messaging/publisher";
import type { Module } from "#platform/module";
import { topics } from "#topics";
import { escrowBooks } from "./books.ts";
import { escrowChecks } from "./checks.ts";
import { handlers } from "./consumers.ts";
import { createDryRun } from "./dry-run.ts";
import { createEscrowRoutes } from "./http.ts";
import type { PreviewPayments } from "./preview.ts";
import { createTimers, pendingTimers } from "./timers.ts";

export { allowedActions } from "./domain/allowed-actions.ts";

export interface EscrowDeps {
  readonly db: Database;
  readonly outbox: Outbox;
  readonly publisher: Publisher;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly fingerprintKey: Uint8Array;
  /** Absent where the projections are not mounted: nobody waits there. */
  readonly outcomes?: Outcomes | undefined;
  readonly previewPayments: PreviewPayments;
  /** Names of the payment providers there are. */
  readonly providers: readonly string[];
}

export interface EscrowModule extends Module {
  /** Its own count of the funds, for the comparison with the ledger. */
  books(afterId: string): Promise<readonly Book[]>;
}

export function createEscrow(deps: EscrowDeps): EscrowModule {
  const { db, outbox, publisher, keyring, clock, fingerprintKey, outcomes, providers } = deps;
  return {
    name: "escrow",
    routes: createEscrowRoutes({
      publisher,
      keyring,
      clock,
      fingerprintKey,
      topics,
      db,
      outcomes,
      providers,
      preview: createDryRun(deps),
    }),
    handlers,
    workers: [createTimers({ db, outbox, clock })],
    pending: () => pendingTimers(db),
    checks: escrowChecks(db),
    books: (afterId) => escrowBooks(db, afterId),
  };
}
