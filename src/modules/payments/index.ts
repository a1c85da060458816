/**
 * The face of payments: the escrow's books, the calls to providers and what comes back from them.
 * Last gate before money: nothing leaves that is not held, reserved and unlocked under one lock.
 */
import { Hono } from "hono";
import type { AuditReport } from "#platform/audit";
import type { Book } from "#platform/books";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { createApprovalRoutes } from "#platform/http/approval-routes";
import type { Outcomes } from "#platform/http/outcomes";
import type { Outbox } from "#platform/messaging/outbox";
import type { Publisher } from "#platform/messaging/publishing/publisher";
import type { HttpEnv, Module } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";
import type { Logger } from "#platform/telemetry/logger";
import type { Metrics } from "#platform/telemetry/metrics";
import type { Tracer } from "#platform/telemetry/tracing";
import type { Check } from "#platform/verify/checks";
import { createAccess } from "./access.ts";
import { createPaymentsApprovals } from "./approvals.ts";
import { createCallFigures } from "./calls/call-figures.ts";
import { createOperations } from "./calls/operations.ts";
import { createReadiness } from "./calls/readiness.ts";
import { createRefundResumption } from "./calls/resume-refunds.ts";
import { createRetransferResumption } from "./calls/resume-retransfers.ts";
import { createSync } from "./calls/sync.ts";
import { paymentsConsumers } from "./consumers.ts";
import { createDisputeRoutes } from "./disputes/dispute-routes.ts";
import { type PaymentEvidence, paymentEvidence } from "./disputes/evidence.ts";
import { holdingLimits } from "./holdings/holding-limits.ts";
import { createHoldings } from "./holdings/holdings.ts";
import { createPaymentRoutes } from "./http.ts";
import type { Cover } from "./ledger/cover.ts";
import { partiesOf } from "./parties/parties-of.ts";
import { createPartyAccess } from "./parties/party-access.ts";
import { createPartyRoutes } from "./parties/party-routes.ts";
import { createRefundAddressRoutes } from "./parties/refund-address-routes.ts";
import { preview } from "./preview.ts";
import { createPaymentsAudit } from "./proof/audit.ts";
import { countBooks, paymentBooks, paymentsChecks } from "./proof/checks.ts";
import { pendingWork } from "./proof/pending.ts";
import { createProof, type Proof, type ProofConfig } from "./proof/proof.ts";
import { stuckWork } from "./proof/stuck.ts";
import type { PaymentProvider, Providers } from "./provider.ts";
import { createProviderRoutes } from "./provider-routes.ts";
import { type CustodianConfig, createCustodianProvider } from "./providers/custodian/provider.ts";
import { createBank } from "./providers/sandbox/bank.ts";
import { createDisputingBank } from "./providers/sandbox/bank-disputes.ts";
import { createSandboxDisputeRoutes } from "./providers/sandbox/disputes-http.ts";
import { createSandboxRoutes } from "./providers/sandbox/http.ts";
import { createSandboxProvider } from "./providers/sandbox/provider.ts";
import { createSandboxWorker, type SandboxWorker } from "./providers/sandbox/worker.ts";
import { createStripeProvider, type StripeConfig } from "./providers/stripe/provider.ts";
import { createHttpScreening, type HttpScreeningOptions } from "./screening/adapters/http.ts";
import { sandboxScreening } from "./screening/adapters/sandbox.ts";
import { createReviewRoutes } from "./screening/review-routes.ts";
import { createAddressScreening } from "./screening/screen-addresses.ts";
import { createScreeningWorker } from "./screening/screening-worker.ts";
import { createCommandSender } from "./send-command.ts";
import { createStatementRoutes } from "./statements/statement-routes.ts";
import { type ProviderStop, stopsOf } from "./stops/provider-stops.ts";
import { createWebhookKeyPurge } from "./webhooks/purge-webhook-keys.ts";
import { createUnmatchedRoutes } from "./webhooks/unmatched-routes.ts";
import { createWebhookRoutes } from "./webhooks/webhook-routes.ts";
import { createWorkItemRoutes, type WaitingEscrows } from "./work-items.ts";

export interface SandboxConfig {
  /** Where its webhooks go; asked at each delivery, because a port may be known late. */
  readonly webhookUrl: () => string;
  /** All of them sign and verify. */
  readonly webhookSecrets: readonly string[];
  /** How a webhook leaves; fetch unless told otherwise. */
  readonly post?: typeof fetch;
}

export interface PaymentsOptions {
  readonly db: Database;
  readonly outbox: Outbox;
  readonly publisher: Publisher;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fingerprintKey: Uint8Array;
  /** Absent where the projections are not mounted: nobody waits there. */
  readonly outcomes?: Outcomes | undefined;
  /** What waits for an operator among the deals; absent where the projections are not mounted. */
  readonly waitingEscrows?: WaitingEscrows | undefined;
  /** Absent: no sandbox here, neither its routes nor its deliveries. */
  readonly sandbox?: SandboxConfig;
  readonly stripe?: StripeConfig;
  readonly proof: ProofConfig;
  /** Days by provider and seller's country, as `holdingLimits` reads them. */
  readonly holdingLimits: string;
  readonly metrics?: Metrics;
  readonly tracer?: Tracer;
  readonly custodian?: CustodianConfig;
  /** Of what a release would pay a seller, at most this part is kept against his debt; 100 unless said. */
  readonly nettingPercent?: number | undefined;
  /** Who screens wallets; absent: the sandbox's magic names. */
  readonly screening?: HttpScreeningOptions;
  /** Further providers, by their name. */
  readonly providers?: readonly PaymentProvider[];
}

export interface PaymentsModule extends Module {
  /** Throws SystemicError where a provider says that starting would put money at risk. */
  prepare(how?: { readonly looking: boolean }): Promise<void>;
  /** Pure: what commands would post and call, for dry runs. */
  readonly preview: typeof preview;
  /** This module's invariants on the live database and log. */
  readonly checks: readonly Check[];
  /** The named escrows' funds by the ledger. */
  books(escrowIds: readonly string[]): Promise<Book[]>;
  /** Work that a person must look at or that is due for longer than `patienceMs`, in words. */
  stuck(patienceMs: number): Promise<string[]>;
  countBooks(): Promise<bigint>;
  /** What it can prove of an escrow; undefined: it has no payment. */
  evidence(escrowId: string): Promise<PaymentEvidence | undefined>;
  /** Whose the escrows and the providers' objects among these ids are. */
  partiesOf(ids: readonly string[]): Promise<readonly string[]>;
  readonly reconcile: Proof["reconcile"];
  audit(): Promise<AuditReport>;
  /** The providers nothing is released through now. */
  stopped(): Promise<readonly ProviderStop[]>;
  /** Where less lies than is owed out of it, but for sellers' fees to come, per provider and currency. */
  uncovered(): Promise<readonly Cover[]>;
  /** Names of the providers there are. */
  readonly providerNames: readonly string[];
}

export function createPayments(options: PaymentsOptions): PaymentsModule {
  const { db, clock, logger, outbox } = options;
  const sandbox = options.sandbox && { db, clock, logger, wakeOn: outbox, ...options.sandbox };
  const stripe = options.stripe && createStripeProvider({ ...options.stripe, clock });
  const providers: Providers = new Map(
    [
      ...(sandbox ? [createSandboxProvider(sandbox)] : []),
      ...(stripe ? [stripe] : []),
      ...(options.custodian ? [createCustodianProvider({ ...options.custodian, clock })] : []),
      ...(options.providers ?? []),
    ].map((provider) => [provider.describe().name, provider]),
  );
  const figures = createCallFigures(options.metrics);
  const parts = { ...options, providers, figures };
  const sandboxWorker = sandbox && createSandboxWorker(sandbox);
  const screening = options.screening ? createHttpScreening(options.screening) : sandboxScreening;
  const screeningParts = { ...parts, screening, chainId: options.custodian?.chainId ?? "" };
  const proof = createProof(parts);
  const audit = createPaymentsAudit(options);
  return {
    name: "payments",
    prepare: async (how) => stripe?.prepare({ db, logger, ...how }),
    routes: createRoutes(parts, sandboxWorker),
    handlers: paymentsConsumers(parts),
    workers: [
      ...[...providers.values()].flatMap((provider) => [
        createOperations(parts, provider),
        createSync(parts, provider),
      ]),
      createReadiness(parts),
      createScreeningWorker(screeningParts),
      createAddressScreening(screeningParts),
      createRefundResumption(parts),
      createRetransferResumption(parts),
      ...proof.workers,
      createHoldings({ ...parts, limits: holdingLimits(options.holdingLimits) }),
      createWebhookKeyPurge(parts),
      audit.worker,
      ...(sandboxWorker ? [sandboxWorker] : []),
    ],
    pending: () => pendingWork(db, clock),
    preview,
    checks: paymentsChecks(db, clock),
    books: (escrowIds) => paymentBooks(db, escrowIds),
    stuck: (patienceMs) => stuckWork(db, clock, patienceMs),
    countBooks: () => countBooks(db),
    evidence: (escrowId) => paymentEvidence(db, escrowId),
    partiesOf: (ids) => partiesOf(db, ids),
    reconcile: proof.reconcile,
    audit: audit.verify,
    stopped: async () => [...(await stopsOf(db)).values()],
    uncovered: proof.uncovered,
    providerNames: [...providers.keys()],
  };
}

function createRoutes(
  parts: Omit<PaymentsOptions, "providers" | "sandbox"> & { readonly providers: Providers },
  sandboxWorker: SandboxWorker | undefined,
): Hono<HttpEnv> {
  const access = createAccess(parts);
  const approvals = createPaymentsApprovals(parts);
  const commands = createCommandSender({ ...parts, approvals });
  const routes = new Hono<HttpEnv>();
  routes.route("/", createWebhookRoutes(parts));
  routes.route("/", createPaymentRoutes({ ...parts, access, commands }));
  routes.route("/", createProviderRoutes({ ...parts, commands }));
  routes.route("/", createApprovalRoutes({ approvals, accept: commands.accept }));
  const partyAccess = createPartyAccess(parts);
  routes.route("/", createPartyRoutes({ ...parts, access: partyAccess }));
  routes.route("/", createStatementRoutes({ ...parts, access, partyAccess }));
  routes.route("/", createRefundAddressRoutes({ ...parts, access: partyAccess }));
  routes.route("/", createWorkItemRoutes(parts));
  routes.route("/", createUnmatchedRoutes({ ...parts, commands }));
  routes.route("/", createReviewRoutes({ ...parts, commands }));
  routes.route("/", createDisputeRoutes({ ...parts, access, partyAccess, commands }));
  if (sandboxWorker !== undefined) {
    const bank = createBank(parts);
    const disputing = createDisputingBank(parts);
    const { wake: onPlayed } = sandboxWorker;
    const played = { access, partyAccess, bank: disputing, onPlayed };
    routes.route("/", createSandboxDisputeRoutes(played));
    routes.route("/", createSandboxRoutes({ access, partyAccess, bank, onPlayed }));
  }
  return routes;
}
