/**
 * Which modules a role turns on, and the object graph behind them, top to bottom. The only importer
 * of the modules' faces; where one module needs another's function, it is handed over here.
 */
import type { Hono } from "hono";
import type { AuditReport } from "#platform/audit";
import { createApiKeyRoutes } from "#platform/http/api-key-routes";
import { type ApiKeys, createApiKeys } from "#platform/http/api-keys";
import { fingerprintKeyFrom } from "#platform/http/idempotency";
import { createHttp } from "#platform/http/server";
import { createLegalHolds } from "#platform/legal-holds";
import type { Listeners } from "#platform/listening/listeners";
import { sparingRequests } from "#platform/messaging/publishing/publish-breaker";
import { createPublisher, type Publisher } from "#platform/messaging/publishing/publisher";
import type { HttpEnv, Pending, Worker } from "#platform/module";
import { createKeyring, type Keyring } from "#platform/sealing/keyring";
import { passingTracer } from "#platform/telemetry/tracing";
import { createHealth, type Health } from "#platform/workers/health";
import type { Config, RoleName } from "./config.ts";
import {
  assertConsumed,
  consumersOf,
  groupsOf,
  listenersOf,
  logWorkers,
  topicsReadBy,
} from "./consuming.ts";
import { createOperatorDesks, type OperatorDesks } from "./dead-letters/operator-desks.ts";
import { allChecks, patienceOf } from "./invariants/all-checks.ts";
import { type Report, runChecks } from "./invariants/run-checks.ts";
import { type Tail, type TailRequest, tail } from "./messages/tail.ts";
import { allowedActions, createEscrow } from "./modules/escrow/index.ts";
import { createOutboxModule, listHeld, retryHeld } from "./modules/outbox/index.ts";
import { createPayments, type PaymentsModule } from "./modules/payments/index.ts";
import {
  createProjections,
  type ProjectionsModule,
  type RebuildReport,
} from "./modules/projections/index.ts";
import { createOutboxes, type Outboxes, type PublishingDeps, publishingOf } from "./outboxes.ts";
import { createPersonalData, type PersonalData, personalDataRoutes } from "./personal-data.ts";
import { deriveKey, type Secrets } from "./secrets.ts";
import { custodianConfig, screeningConfig } from "./settings/custodian.ts";
import { dealRules } from "./settings/deal-rules.ts";
import { stripeConfig, stripeLimits } from "./settings/stripe.ts";
import { bySchema, type MessagingSchema, messagingSchemas } from "./stores.ts";
import { underWay } from "./test-clock/quiet.ts";
import { createTokenAuth } from "./token-auth.ts";
import { version } from "./version.ts";

/** A module is named here and made in createModules: what it declares is walked. */
type ModuleName = MessagingSchema | "outbox";

interface Role {
  readonly routes: readonly ModuleName[];
  readonly workers: readonly ModuleName[];
}

const roleTable: Readonly<Record<RoleName, Role>> = {
  escrow: { routes: ["escrow"], workers: ["escrow"] },
  payments: { routes: ["payments"], workers: ["payments"] },
  projections: { routes: ["projections"], workers: ["projections"] },
  outbox: { routes: [], workers: ["outbox"] },
  api: { routes: messagingSchemas, workers: [] },
  all: { routes: messagingSchemas, workers: [...messagingSchemas, "outbox"] },
};

export interface ApplicationDeps extends PublishingDeps {
  readonly secrets: Secrets;
  /** This process's own address, once it listens. */
  readonly ownUrl: () => string;
}

/** A process's routes and workers, built and not yet started. */
export interface Application {
  readonly http: Hono<HttpEnv>;
  readonly health: Health;
  readonly apiKeys: ApiKeys;
  readonly personalData: PersonalData;
  /** Dead letters, and outbox rows the log refused. */
  readonly desks: OperatorDesks;
  readonly consumers: readonly Worker[];
  /** The modules' own, and whatever is added while the process runs. */
  readonly listeners: Listeners;
  /** The consumer groups this process is a member of now. */
  groups(): readonly string[];
  /** The topics they read. */
  reads(): readonly string[];
  readonly activities: readonly Worker[];
  readonly relays: readonly Worker[];
  /** Throws SystemicError where starting would put money at risk; `looking` writes nothing. */
  prepare(how?: { readonly looking: boolean }): Promise<void>;
  /** All invariants on the live database and log. */
  verify(): Promise<Report>;
  /** The books against the providers' own. */
  reconcile: PaymentsModule["reconcile"];
  /** The providers nothing is released through now, in words. */
  stopped(): Promise<readonly string[]>;
  /** Where less lies at a provider than is owed out of it, in words. */
  uncovered(): Promise<readonly string[]>;
  /** Every link of the modules' audit logs. */
  audit(): Promise<readonly AuditReport[]>;
  /** An escrow's story, for operators; undefined where there is no such escrow. */
  timeline: ProjectionsModule["timeline"];
  /** The topics as they grow. */
  tail(request: TailRequest): Promise<Tail>;
  /** Makes the read models anew. */
  rebuild(): Promise<RebuildReport>;
  /** What is still under way, in words. */
  underWay(): Promise<readonly string[]>;
  /** The work each module has of its own accord. */
  pending(): Promise<readonly Pending[]>;
  close(): Promise<void>;
}

export function buildApplication(deps: ApplicationDeps): Application {
  const { config, databases, log, clock, logger, metrics, tracer = passingTracer } = deps;
  const outboxes = createOutboxes(deps);
  const guarded = sparingRequests({ log, clock, metrics });
  const publisher = createPublisher({ log: guarded, clock, logger, tracer, producerName: "app" });
  const health = createHealth({ clock, logger });
  const { keyring, ...modules } = createModules(deps, outboxes, publisher);
  assertConsumed(modules);
  const apiKeys = createApiKeys({
    db: databases.platform,
    clock,
    issuer: config.JWT_ISSUER,
    live: config.APP_ENV === "production",
  });
  const http = createHttp({
    auth: createTokenAuth({ ...deps, apiKeys }),
    health,
    metrics,
    tracer,
    logger,
    clock,
    version,
    rateLimit: { perSecond: config.RATE_LIMIT_PER_SECOND, burst: config.RATE_LIMIT_PER_SECOND },
  });
  const [serving, working] = [turnedOn(config, "routes"), turnedOn(config, "workers")];
  for (const name of serving) {
    const { routes } = modules[name];
    if (routes) http.route("/", routes);
  }
  http.route("/", createApiKeyRoutes({ keys: apiKeys, embedded: config.embedded }));
  const { projections } = modules;
  const personalData = personalDataOf(deps, modules, keyring);
  http.route("/", personalDataRoutes(personalData, createLegalHolds({ db: databases.platform })));
  const desks = createDesks(deps, modules, outboxes);
  http.route("/", desks.routes);
  const active = [...working].map((name) => modules[name]);
  const consuming = messagingSchemas.filter((name) => working.has(name));
  const listeners = listenersOf(deps, active);
  const { books: paymentBooks, countBooks: countPayments } = modules.payments;
  const checks = allChecks({
    databases,
    clock,
    modules,
    books: { escrowBooks: modules.escrow.books, paymentBooks, countPayments },
  });
  return {
    http,
    health,
    apiKeys,
    personalData,
    desks,
    consumers: consuming.flatMap((name) => consumersOf(deps, outboxes, name, modules[name])),
    listeners,
    groups: () => groupsOf(active, listeners),
    reads: () => topicsReadBy(active, listeners),
    activities: [
      // Relays outlive them: they publish what these have said.
      ...active.filter((module) => module !== modules.outbox).flatMap(({ workers }) => workers),
      ...(working.has("outbox") ? logWorkers(deps) : []),
    ],
    relays: working.has("outbox") ? modules.outbox.workers : [],
    prepare: async (how) => {
      if (serving.has("payments") || working.has("payments")) await modules.payments.prepare(how);
    },
    verify: () => runChecks(checks, { log, patienceMs: patienceOf(config) }),
    reconcile: modules.payments.reconcile,
    stopped: async () => (await modules.payments.stopped()).map(stoppedText),
    uncovered: async () => (await modules.payments.uncovered()).map(uncoveredText),
    audit: async () => [await modules.escrow.audit(), await modules.payments.audit()],
    timeline: projections.timeline,
    tail: (request) => tail(log, request),
    rebuild: () => projections.rebuild(log),
    underWay: () => underWay({ databases, log, modules }),
    pending: () => Promise.all(messagingSchemas.flatMap((name) => modules[name].pending?.() ?? [])),
    async close() {
      projections.close();
      await publisher.close();
    },
  };
}

function personalDataOf(
  { log }: ApplicationDeps,
  { escrow }: Modules,
  keyring: Keyring,
): PersonalData {
  const commandsDecided = () => escrow.commandsDecided(log);
  return createPersonalData({ keyring, openEscrowOf: escrow.openEscrowOf, commandsDecided });
}

function createModules(deps: ApplicationDeps, outboxes: Outboxes, publisher: Publisher) {
  const { config, secrets, databases, clock, logger } = deps;
  const keyring = createKeyring({ db: databases.platform, dataKey: secrets.dataKey, clock });
  const fingerprintKey = fingerprintKeyFrom(secrets.dataKey);
  const projections = createProjections({
    db: databases.projections,
    clock,
    logger,
    texts: keyring,
    cursorKey: deriveKey(secrets.dataKey, "cursors"),
    allowedActions,
  });
  const stripe = stripeConfig(config);
  const servesQueries = turnedOn(config, "routes").has("projections");
  const outcomes = servesQueries ? projections.outcomes : undefined;
  const custodian = custodianConfig(config);
  const screening = screeningConfig(config);
  const payments = createPayments({
    db: databases.payments,
    outbox: outboxes.payments,
    publisher,
    keyring,
    clock,
    logger,
    fingerprintKey,
    outcomes,
    waitingEscrows: servesQueries ? projections.waitingEscrows : undefined,
    ...(stripe && { stripe }),
    ...(custodian && { custodian }),
    ...(screening && { screening }),
    // Where money is real nothing may play it.
    ...(config.APP_ENV !== "production" && {
      sandbox: {
        webhookUrl: () => config.SANDBOX_WEBHOOK_URL ?? `${deps.ownUrl()}/v1/webhooks/sandbox`,
        webhookSecrets: [secrets.sandboxWebhookSecret],
      },
    }),
    metrics: deps.metrics,
    ...(deps.tracer && { tracer: deps.tracer }),
    holdingLimits: config.HOLDING_LIMITS,
    proof: {
      sweepEveryMs: config.SWEEP_INTERVAL * 1_000,
      reconcileEveryMs: config.RECONCILE_INTERVAL * 1_000,
      toleranceMinor: config.RECONCILE_TOLERANCE,
    },
    nettingPercent: config.DEBT_NETTING_PERCENT,
  });
  const escrow = createEscrow({
    db: databases.escrow,
    outbox: outboxes.escrow,
    publisher,
    keyring,
    clock,
    fingerprintKey,
    previewPayments: payments.preview,
    paymentEvidence: payments.evidence,
    providers: payments.providerNames,
    settings: {
      ...dealRules(config),
      routing: { names: payments.providerNames, most: stripeLimits(config) },
    },
    outcomes,
  });
  const outbox = createOutboxModule(publishingOf(deps, outboxes));
  return { escrow, payments, projections, outbox, keyring };
}

type Modules = Omit<ReturnType<typeof createModules>, "keyring">;

function createDesks(deps: ApplicationDeps, modules: Modules, outboxes: Outboxes): OperatorDesks {
  const wake = () => {
    for (const name of messagingSchemas) outboxes[name].wake();
  };
  const partiesOf = async (keys: readonly string[]) => [
    ...(await modules.escrow.partiesOf(keys)),
    ...(await modules.payments.partiesOf(keys)),
  ];
  const handlers = bySchema((name) => modules[name].handlers);
  return createOperatorDesks({ ...deps, handlers, partiesOf, listHeld, retryHeld, wake });
}

export function stoppedText(
  stop: Omit<Awaited<ReturnType<PaymentsModule["stopped"]>>[number], "note">,
): string {
  const { provider, reason, stoppedBy, stoppedAt } = stop;
  const who = stoppedBy === "" ? "the reconciliation" : `${stoppedBy} (${reason})`;
  const since = `since ${stoppedAt.toISOString()} by ${who}`;
  return `releases through ${provider} are stopped ${since}; GET /v1/providers says more`;
}

export function uncoveredText(
  cover: Omit<Awaited<ReturnType<PaymentsModule["uncovered"]>>[number], "feesToCome">,
): string {
  const { provider, currency, clearing, owed } = cover;
  const short = `${owed - clearing} ${currency} (minor units) too little lies at ${provider}`;
  return `${short} for what is owed out of it: top up the platform's balance there`;
}

/** Some module's routes; any process has those of operators, health and metrics. */
export function servesModules(config: Config): boolean {
  return turnedOn(config, "routes").size > 0;
}

/** The modules whose routes, or whose workers, this process's roles turn on. */
function turnedOn<F extends keyof Role>(config: Config, face: F): Set<Role[F][number]> {
  return new Set(config.APP_ROLE.flatMap((role): Role[F] => roleTable[role][face]));
}
