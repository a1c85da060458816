/**
 * The face of the escrow module: command routes, the handlers that decide, the timers. What leaves
 * beside that are pure functions and readings that roles.ts hands to others.
 */
import { Hono } from "hono";
import type { AuditReport } from "#platform/audit";
import type { Book } from "#platform/books";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { Outcomes } from "#platform/http/outcomes";
import type { Outbox } from "#platform/messaging/outbox";
import type { Publisher } from "#platform/messaging/publishing/publisher";
import type { HttpEnv, Module } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";
import { topics } from "#topics";
import { createEscrowAudit } from "./audit.ts";
import { escrowBooks } from "./books.ts";
import { escrowChecks } from "./checks.ts";
import {
  type CommandsDecided,
  type CommandsDecidedDeps,
  commandsDecided,
} from "./commands-decided.ts";
import { escrowHandlers } from "./consumers.ts";
import { createDryRun } from "./dry-run.ts";
import { createEvidenceRoutes, type PaymentEvidenceOf } from "./evidence-pack.ts";
import { createEscrowRoutes } from "./http.ts";
import { openEscrowOf } from "./open-escrows.ts";
import { partiesOf } from "./parties-of.ts";
import type { PreviewPayments } from "./preview.ts";
import { createQuoteRoutes } from "./quotes.ts";
import { createTimers, pendingTimers } from "./timers.ts";
import type { Settings } from "./work.ts";

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
  readonly paymentEvidence: PaymentEvidenceOf;
  /** Names of the payment providers there are. */
  readonly providers: readonly string[];
  /** Fees and limits. */
  readonly settings: Settings;
}

export interface EscrowModule extends Module {
  /** Its own count of the funds, for the comparison with the ledger. */
  books(afterId: string): Promise<readonly Book[]>;
  audit(): Promise<AuditReport>;
  /** Buyers and sellers of these escrows. */
  partiesOf(escrowIds: readonly string[]): Promise<readonly string[]>;
  /** Some escrow of the party that is not over. */
  openEscrowOf(partyId: string): Promise<string | undefined>;
  /** Have all commands that were accepted before been decided? */
  commandsDecided(log: CommandsDecidedDeps["log"]): Promise<CommandsDecided>;
}

export function createEscrow(deps: EscrowDeps): EscrowModule {
  const { db, outbox, clock, settings } = deps;
  const audit = createEscrowAudit(deps);
  return {
    name: "escrow",
    routes: routesOf(deps),
    handlers: escrowHandlers(settings),
    workers: [createTimers({ db, outbox, clock }), audit.worker],
    audit: audit.verify,
    partiesOf: (escrowIds) => partiesOf(db, escrowIds),
    openEscrowOf: (partyId) => openEscrowOf(db, partyId),
    commandsDecided: (log) => commandsDecided({ db, log, clock }),
    pending: () => pendingTimers(db),
    checks: escrowChecks(db),
    books: (afterId) => escrowBooks(db, afterId),
  };
}

function routesOf(deps: EscrowDeps): Hono<HttpEnv> {
  const commands = createEscrowRoutes({ ...deps, topics, preview: createDryRun(deps) });
  const quotes = createQuoteRoutes(deps.settings);
  const evidence = createEvidenceRoutes(deps);
  return new Hono<HttpEnv>().route("/", commands).route("/", quotes).route("/", evidence);
}
