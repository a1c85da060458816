/**
 * Which modules a role turns on, and the object graph behind them, top to bottom. The only importer
 * of the modules' faces; where one module needs another's pure function, it is handed over here.
 */
import type { Hono } from "hono";
import type { AuditReport } from "#platform/audit";
import type { Clock } from "#platform/clock";
import { createApiKeyRoutes } from "#platform/http/api-key-routes";
import { type ApiKeys, type ApiKeyVerifier, createApiKeys } from "#platform/http/api-keys";
import { createAuth } from "#platform/http/auth";
import { fingerprintKeyFrom } from "#platform/http/idempotency";
import { createJwks } from "#platform/http/jwks";
import { createHttp } from "#platform/http/server";
import { createLegalHolds } from "#platform/legal-holds";
import { createListeners, type Listeners } from "#platform/listening/listeners";
import { createConsumer, type Handled } from "#platform/messaging/consumer";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import type { EventLog } from "#platform/messaging/event-log";
import { createOutbox, type Outbox } from "#platform/messaging/outbox";
import { sparingRequests } from "#platform/messaging/publishing/publish-breaker";
import { createPublisher, type Publisher } from "#platform/messaging/publishing/publisher";
import { createLogRetention } from "#platform/messaging/table/topics";
import type { HttpEnv, Module, Pending, Worker } from "#platform/module";
import { createKeyring } from "#platform/sealing/keyring";
import type { Logger } from "#platform/telemetry/logger";
import type { Metrics } from "#platform/telemetry/metrics";
import { passingTracer, type Tracer } from "#platform/telemetry/tracing";
import type { Check } from "#platform/verify/checks";
import { createHealth, type Health } from "#platform/workers/health";
import { allTopics } from "#topics";
import type { Config, RoleName } from "./config.ts";
import { createOperatorDesks, type OperatorDesks } from "./dead-letters/operator-desks.ts";
import { booksAgree } from "./invariants/books-agree.ts";
import { lettersAccount } from "./invariants/letters-account.ts";
import { nothingStuck } from "./invariants/nothing-stuck.ts";
import { type Report, runChecks } from "./invariants/run-checks.ts";
import { allowedActions, createEscrow } from "./modules/escrow/index.ts";
import { createOutboxModule, listHeld, retryHeld } from "./modules/outbox/index.ts";
import { createPayments, type PaymentsModule } from "./modules/payments/index.ts";
import { createProjections, type RebuildReport } from "./modules/projections/index.ts";
import { createPersonalData, type PersonalData, personalDataRoutes } from "./personal-data.ts";
import { deriveKey, type Secrets } from "./secrets.ts";
import { custodianConfig, screeningConfig } from "./settings/custodian.ts";
import { dealRules } from "./settings/deal-rules.ts";
import { stripeConfig, stripeLimits } from "./settings/stripe.ts";
import { type Databases, type MessagingSchema, messagingSchemas } from "./stores.ts";
import { underWay } from "./test-clock/quiet.ts";

interface Role {
  readonly routes: readonly MessagingSchema[];
  readonly workers: readonly (MessagingSchema | "outbox")[];
}

const roleTable: Readonly<Record<RoleName, Role>> = {
  escrow: { routes: ["escrow"], workers: ["escrow"] },
  payments: { routes: ["payments"], workers: ["payments"] },
  projections: { routes: ["projections"], workers: ["projections"] },
  outbox: { routes: [], workers: ["outbox"] },
  api: { routes: messagingSchemas, workers: [] },
  all: { routes: messagingSchemas, workers: [...messagingSchemas, "outbox"] },
};

/** To `app verify` what is younger is under way, not stuck. */
function patienceOf({ OUTBOX_PUBLISHER, OUTBOX_CDC_GRACE }: Config): number {
  // A row that a connector published waits out the grace, and the one it is noted with another.
  return 60_000 + (OUTBOX_PUBLISHER === "cdc" ? 2_000 * OUTBOX_CDC_GRACE : 0);
}

export interface ApplicationDeps {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly databases: Databases;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer?: Tracer;
  /** Unique among running processes: owner of leases and group memberships. */
  readonly processId: string;
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
  readonly activities: readonly Worker[];
  readonly relays: readonly Worker[];
  /** Throws SystemicError where starting would put money at risk. */
  prepare(): Promise<void>;
  /** All invariants on the live database and log. */
  verify(): Promise<Report>;
  /** The books against the providers' own. */
  reconcile: PaymentsModule["reconcile"];
  /** Every link of the modules' audit logs. */
  audit(): Promise<readonly AuditReport[]>;
  /** Makes the read models anew. */
  rebuild(): Promise<RebuildReport>;
  /** What is still under way, in words. */
  underWay(): Promise<readonly string[]>;
  /** The work each module has of its own accord. */
  pending(): Promise<readonly Pending[]>;
  close(): Promise<void>;
}

export function buildApplication(deps: ApplicationDeps): Application {
  const { config, log, clock, logger, metrics, tracer = passingTracer } = deps;
  const outboxes = createOutboxes(deps);
  const guarded = sparingRequests({ log, clock, metrics });
  const publisher = createPublisher({ log: guarded, clock, logger, tracer, producerName: "app" });
  const health = createHealth({ clock, logger });
  const modules = createModules(deps, outboxes, publisher);
  const relay = createRelayModule(deps, outboxes);
  const apiKeys = createApiKeys({
    db: deps.databases.platform,
    clock,
    issuer: config.JWT_ISSUER,
    live: config.APP_ENV === "production",
  });
  const http = createHttp({
    auth: createTokenAuth(deps, apiKeys),
    health,
    metrics,
    tracer,
    logger,
    clock,
    rateLimit: { perSecond: config.RATE_LIMIT_PER_SECOND, burst: config.RATE_LIMIT_PER_SECOND },
  });
  const working = turnedOn(config, "workers");
  for (const name of turnedOn(config, "routes")) {
    const { routes } = modules[name];
    if (routes) http.route("/", routes);
  }
  http.route("/", createApiKeyRoutes({ keys: apiKeys, embedded: config.embedded }));
  const { openEscrowOf } = modules.projections;
  const personalData = createPersonalData({ keyring: modules.keyring, openEscrowOf });
  const holds = createLegalHolds({ db: deps.databases.platform });
  http.route("/", personalDataRoutes(personalData, holds));
  const desks = createDesks(deps, modules, outboxes);
  http.route("/", desks.routes);
  const active = messagingSchemas.filter((name) => working.has(name));
  const listeners = createListeners({
    log,
    topics: allTopics,
    clock,
    logger,
    tracer,
    onTold: (told) => metrics.handled({ ...told, count: 1, parked: 0 }),
  });
  for (const name of active) modules[name].listeners?.forEach(listeners.registerHandler);
  return {
    http,
    health,
    apiKeys,
    personalData,
    desks,
    consumers: active.flatMap((name) => consumersOf(deps, name, modules[name], outboxes[name])),
    listeners,
    groups: () => [
      ...active.flatMap((name) => modules[name].handlers.map((handler) => handler.name)),
      ...listeners.groups(),
    ],
    activities: [
      ...active.flatMap((name) => modules[name].workers),
      ...(working.has("outbox") ? logWorkers(deps) : []),
    ],
    relays: working.has("outbox") ? relay.workers : [],
    prepare: async () => {
      if (turnedOn(config, "routes").has("payments") || working.has("payments")) {
        await modules.payments.prepare();
      }
    },
    verify: () => runChecks(checksOf(deps, modules), { log, patienceMs: patienceOf(config) }),
    reconcile: modules.payments.reconcile,
    audit: async () => [await modules.escrow.audit(), await modules.payments.audit()],
    rebuild: () => modules.projections.rebuild(log),
    underWay: () => underWay({ databases: deps.databases, log, modules }),
    pending: () => Promise.all(messagingSchemas.flatMap((name) => modules[name].pending?.() ?? [])),
    async close() {
      modules.projections.close();
      await publisher.close();
    },
  };
}

function createModules(
  deps: ApplicationDeps,
  outboxes: Readonly<Record<MessagingSchema, Outbox>>,
  publisher: Publisher,
) {
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
  return { escrow, payments, projections, keyring };
}

type Modules = ReturnType<typeof createModules>;

function createDesks(
  deps: ApplicationDeps,
  { escrow: { partiesOf } }: Modules,
  outboxes: Readonly<Record<MessagingSchema, Outbox>>,
): OperatorDesks {
  const wake = () => {
    for (const name of messagingSchemas) outboxes[name].wake();
  };
  return createOperatorDesks({ ...deps, partiesOf, listHeld, retryHeld, wake });
}

function checksOf({ databases, clock }: ApplicationDeps, modules: Modules): Check[] {
  const { escrow, payments, projections } = modules;
  const handlers = {
    escrow: escrow.handlers,
    payments: payments.handlers,
    projections: projections.handlers,
  };
  return [
    ...messagingSchemas.flatMap((name) => modules[name].checks ?? []),
    lettersAccount({ databases, handlers }),
    booksAgree({
      escrowBooks: escrow.books,
      paymentBooks: payments.books,
      countPayments: payments.countBooks,
      clock,
    }),
    nothingStuck({
      databases,
      clock,
      handlers,
    }),
  ];
}

function createOutboxes({ clock }: ApplicationDeps): Record<MessagingSchema, Outbox> {
  const create = (schema: MessagingSchema) =>
    createOutbox({ schema, writer: schema, producerName: "app", clock });
  return {
    escrow: create("escrow"),
    payments: create("payments"),
    projections: create("projections"),
  };
}

function createRelayModule(
  { config, databases, log, clock, logger, metrics, tracer, processId }: ApplicationDeps,
  outboxes: Readonly<Record<MessagingSchema, Outbox>>,
): Module {
  for (const schema of messagingSchemas) {
    // Shown before anything was published, and where nothing can be.
    metrics.published(schema, 0);
    metrics.publishFailed(schema, 0);
  }
  if (config.OUTBOX_PUBLISHER === "cdc") {
    const slot = config.OUTBOX_SLOT;
    const graceMs = config.OUTBOX_CDC_GRACE * 1_000;
    const confirmed = messagingSchemas.map((schema) => {
      return { schema, db: databases[schema], slot, graceMs, clock, measure: metrics };
    });
    return createOutboxModule({ relays: [], confirmed });
  }
  return createOutboxModule({
    relays: messagingSchemas.map((schema) => ({
      schema,
      db: databases[schema],
      wakeOn: outboxes[schema],
      log,
      clock,
      logger,
      owner: processId,
      measure: metrics,
      ...(tracer && { tracer }),
      // It holds copies of dead letters only, and nobody waits for those.
      ...(schema === "projections" && { idleMs: 500 }),
    })),
  });
}

/** Each handler of a module: its consumer, and the worker that tries its parked messages again. */
function consumersOf(
  { databases, log, clock, logger, metrics, tracer }: ApplicationDeps,
  schema: MessagingSchema,
  { handlers }: Module,
  outbox: Outbox,
): Worker[] {
  return handlers.flatMap((handler) => {
    const parts = { handler, schema, db: databases[schema], log, outbox, clock, logger };
    const common = { ...parts, ...(tracer && { tracer }), onHandled: measured(metrics) };
    return [createConsumer(common), createRedrive(common)];
  });
}

/** The handlers whose answers somebody waits for. */
const answering: Readonly<Record<string, "command" | "webhook">> = {
  "escrow.commands": "command",
  "payments.commands": "command",
  "payments.webhooks": "webhook",
};

function measured(metrics: Metrics): (handled: Handled) => void {
  return (handled) => {
    metrics.handled(handled);
    const kind = answering[handled.handler];
    if (kind !== undefined) metrics.answered(kind, handled.waitedMs);
  };
}

/** Kafka forgets what is too old by itself; the log in tables needs a worker for it. */
function logWorkers({ databases, log, clock, logger }: ApplicationDeps): Worker[] {
  return log.kind === "table"
    ? [createLogRetention({ db: databases.platform, clock, logger })]
    : [];
}

function createTokenAuth(deps: ApplicationDeps, apiKeys: ApiKeyVerifier) {
  const { config, secrets, clock, logger } = deps;
  const { JWT_JWKS_URL: jwksUrl, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = config;
  if (jwksUrl) {
    const jwks = createJwks({ url: jwksUrl, clock, logger });
    return createAuth({ keys: { jwks }, issuer, audience, clock, apiKeys });
  }
  if (!secrets.jwtSecret) throw new Error("neither JWT_SECRET nor JWT_JWKS_URL");
  const secret = new TextEncoder().encode(secrets.jwtSecret);
  return createAuth({ keys: { secret }, issuer, audience, clock, apiKeys });
}

/** The modules whose routes, or whose workers, this process's roles turn on. */
function turnedOn<F extends keyof Role>(config: Config, face: F): Set<Role[F][number]> {
  return new Set(config.APP_ROLE.flatMap((role): Role[F] => roleTable[role][face]));
}
