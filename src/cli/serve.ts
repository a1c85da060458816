/**
 * `app serve`: opens the stores, brings them up to date where that is this process's business, starts
 * what the roles ask for, says where it is, and drains on a signal.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { formatDuration } from "#kernel/duration";
import type { Clock } from "#platform/clock";
import { createSystemClock } from "#platform/clock-system";
import { SystemicError } from "#platform/errors";
import type { HttpServer } from "#platform/http/serve";
import type { EventLog } from "#platform/messaging/event-log";
import { createKafkaObserver } from "#platform/messaging/kafka/metrics";
import type { Worker } from "#platform/module";
import type { Logger } from "#platform/telemetry/logger";
import { createMetrics } from "#platform/telemetry/metrics";
import type { Tracer } from "#platform/telemetry/tracing";
import { endsWithin } from "#platform/workers/ends-within";
import { createSupervisor, type Supervisor } from "#platform/workers/supervisor";
import type { Config } from "../config.ts";
import { type Application, buildApplication } from "../roles.ts";
import { openSchemaIds } from "../schemas.ts";
import { resolveSecrets } from "../secrets.ts";
import { type Databases, openStores, type Stores } from "../stores.ts";
import { createOffset, createTestClock, type OffsetSource } from "../test-clock/test-clock.ts";
import { createTopicsCheck } from "../topic-faults.ts";
import { registerGauges, registerLag } from "./gauges.ts";
import { bindListener, type HttpListener } from "./http-listener.ts";
import { operationRoutes } from "./operations.ts";
import { assertDataKey, prepareDatabases, prepareTopics } from "./prepare.ts";
import { registerChecks } from "./readiness.ts";
import { roundTrip } from "./round-trip.ts";
import { startTracing } from "./start-tracing.ts";

export interface Server {
  readonly url: string;
  readonly place: string;
  readonly clock: Clock;
  readonly application: Application;
  readonly log: EventLog;
  /** Resolves once nothing is under way. */
  settle(): Promise<void>;
  /** Signs development tokens for the banner; embedded mode only. */
  readonly tokenSecret: string | undefined;
  /** Resolves once a message went through the log and back, and every worker can work. */
  ready(): Promise<void>;
  /** Resolves with why, when a worker is lost for good and the process must end. */
  readonly lost: Promise<string>;
  /** Drains; true when everything ended within the deadline. */
  stop(): Promise<boolean>;
}

/** How long activities wait for the first message to go round. */
const headStartMs = 1_000;

/** Throws DataDirLocked, SchemaTooNew or SystemicError where starting would do harm. */
export async function startServer(config: Config, logger: Logger): Promise<Server> {
  const listener = bindListener(config);
  const stores = await openStores(config, logger).catch(async (error: unknown) => {
    await listener.http.stop(0);
    throw error;
  });
  return startOn({ config, stores, logger, listener });
}

interface Given {
  readonly config: Config;
  readonly stores: Stores;
  readonly logger: Logger;
  readonly listener: HttpListener;
}

/** Closes what it is given: when starting fails, else when the server is stopped. */
export async function startOn(given: Given): Promise<Server> {
  const { config, stores, listener } = given;
  try {
    await prepareDatabases(config, stores);
    const offset = createOffset();
    await offset.load(stores.databases);
    refuseMovedClock(config, offset.current());
    return await start({ ...given, offset });
  } catch (error) {
    await stores.close();
    await listener.http.stop(0);
    throw error;
  }
}

/** Deadlines of real money fall by real time: books whose time was moved are a sandbox's. */
function refuseMovedClock({ APP_ENV }: Config, offsetMs: bigint): void {
  if (APP_ENV !== "production" || offsetMs === 0n) return;
  const ahead = formatDuration(offsetMs);
  throw new SystemicError(
    `this database's test clock is ${ahead} ahead: production starts on one of its own`,
  );
}

interface Start extends Given {
  readonly offset: OffsetSource;
}

async function start({ config, stores, offset, logger, listener }: Start): Promise<Server> {
  const { url, http } = listener;
  const clock = createSystemClock({ offsetMs: offset.current });
  const processId = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const metrics = createMetrics();
  const tracer = await startTracing({ config, clock, logger, processId });
  const observer = createKafkaObserver(metrics);
  const schemaIds = openSchemaIds(config, stores.databases.platform, logger);
  const log = stores.openLog({ clock, logger, memberId: processId, schemaIds, observer });
  const topicsChecked = await prepareTopics(log, clock, config, logger);
  await schemaIds?.prepare();
  const secrets = resolveSecrets(config);
  await assertDataKey(stores.databases.platform, secrets);
  const application = buildApplication({
    config,
    secrets,
    databases: stores.databases,
    log,
    clock,
    logger,
    metrics,
    tracer,
    processId,
    ownUrl: () => url,
  });
  await application.prepare();
  const supervisor = createSupervisor({ logger, clock });
  const problems = () => [...supervisor.problems(), ...application.listeners.problems()];
  registerChecks({
    health: application.health,
    databases: stores.databases,
    // Its own workers say whether they can work; some want the brokers left out.
    log: config.HEALTH_INCLUDE_KAFKA || log.kind === "table" ? log : undefined,
    problems,
  });
  application.health.notice(application.stopped);
  application.health.notice(application.uncovered);
  registerGauges({ metrics, databases: stores.databases });
  registerLag({ metrics, log, clock, groups: application.groups });
  const { underWay, pending } = application;
  const { databases } = stores;
  const testClock = createTestClock({ offset, databases, clock, underWay, pending });
  const complete = config.APP_ROLE.includes("all");
  const sandbox = config.APP_ENV !== "production";
  application.http.route(
    "/",
    operationRoutes({ application, testClock, clock, complete, sandbox }),
  );
  listener.serve(application.http);
  stores.lock?.update({ url });
  if (!topicsChecked) supervisor.run([createTopicsCheck(log, config.APP_ROLE)]);
  if (schemaIds) supervisor.run([schemaIds.worker]);
  supervisor.run(application.relays, "relays");
  supervisor.run(application.consumers, "consumers");
  application.listeners.startWithHandlers();
  const running = { stopping: new AbortController(), tracer, log, stores, clock };
  const ready = becomesReady({ ...running, problems });
  const activities = [...application.activities, ...clockReader(config, offset, databases)];
  // What looks for work by itself begins when messages flow: its first statements are many, and on the
  // embedded database all take turns. Without a broker it goes to work all the same.
  void endsWithin(headStartMs, ready, clock).then(() => supervisor.run(activities));
  return {
    url,
    place: stores.place,
    clock,
    tokenSecret: config.embedded ? secrets.jwtSecret : undefined,
    application,
    log,
    settle: testClock.settle,
    ready: () => ready,
    lost: new Promise((resolve) => {
      for (const { onFatal } of [supervisor, application.listeners]) {
        onFatal((worker, error) => resolve(`${worker}: ${error.message}`));
      }
    }),
    stop: () => stop({ ...running, config, http, supervisor, application }),
  };
}

interface Beginning extends Pick<Running, "log" | "clock" | "stopping"> {
  problems(): readonly unknown[];
}

/** Once a message went round and every worker can work; or when that is no longer wanted. */
async function becomesReady({ log, clock, problems, stopping }: Beginning): Promise<void> {
  const { signal } = stopping;
  await roundTrip(log, clock, signal);
  while (problems().length > 0 && !signal.aborted) await clock.sleep(10, signal);
}

/** Another process may have moved the test clock. */
function clockReader(config: Config, offset: OffsetSource, databases: Databases): Worker[] {
  const step = async () => {
    await offset.load(databases);
    return "idle" as const;
  };
  return config.embedded ? [] : [{ name: "clock", idleMs: 1_000, step }];
}

interface Running {
  readonly config: Config;
  readonly http: HttpServer;
  readonly supervisor: Supervisor;
  readonly application: Application;
  readonly tracer: Tracer;
  readonly log: EventLog;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly stopping: AbortController;
}

/** Along the way of the data: no new requests, no new batches, what was said goes out, then close. */
async function stop(running: Running): Promise<boolean> {
  const { config, http, supervisor, application, tracer, log, stores, clock } = running;
  running.stopping.abort();
  const deadline = clock.monotonicMs() + config.SHUTDOWN_TIMEOUT * 1_000;
  const left = () => Math.max(0, deadline - clock.monotonicMs());
  await http.stop(left() / 2);
  await application.close();
  const [busy, silent] = await Promise.all([
    supervisor.stop(left()),
    endsWithin(left(), application.listeners.stop(), clock),
  ]);
  await log.close();
  await stores.close();
  await tracer.close();
  return busy.length === 0 && silent;
}
