/** How modules' handlers and listeners are made to run: with retries beside the stream, and measured. */
import { SystemicError } from "#platform/errors";
import { createListeners, type Listeners } from "#platform/listening/listeners";
import { createConsumer, type Handled } from "#platform/messaging/consumer";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import type { AnyHandler } from "#platform/messaging/handler";
import { createLogRetention } from "#platform/messaging/table/topics";
import type { Module, Worker } from "#platform/module";
import type { Metrics } from "#platform/telemetry/metrics";
import { allTopics } from "#topics";
import type { Outboxes, PublishingDeps } from "./outboxes.ts";
import { type MessagingSchema, messagingSchemas } from "./stores.ts";

export type ConsumingDeps = Omit<PublishingDeps, "config" | "processId">;

/**
 * A handler runs on the tables of its module's schema, and its letters are found by the schema its
 * name begins with. Throws SystemicError about one that would compile and never run.
 */
export function assertConsumed(modules: Readonly<Record<string, Module>>): void {
  const schemas: readonly string[] = messagingSchemas;
  for (const [schema, { handlers }] of Object.entries(modules)) {
    for (const { name } of handlers) {
      if (!schemas.includes(schema)) {
        throw new SystemicError(
          `nothing would run the handler ${name}: the schema ${schema} is not among ${schemas.join(", ")} (messagingSchemas)`,
        );
      }
      if (!name.startsWith(`${schema}.`)) {
        throw new SystemicError(
          `the handler ${name} of the module ${schema} needs a name that begins with "${schema}."`,
        );
      }
    }
  }
}

/** Each handler of a module: its consumer, and the worker that tries its parked messages again. */
export function consumersOf(
  { databases, log, clock, logger, metrics, tracer }: ConsumingDeps,
  outboxes: Outboxes,
  schema: MessagingSchema,
  { handlers }: Module,
): Worker[] {
  const outbox = outboxes[schema];
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

/** With every listener of these modules registered. */
export function listenersOf(deps: ConsumingDeps, modules: readonly Module[]): Listeners {
  const { log, clock, logger, metrics, tracer } = deps;
  const listeners = createListeners({
    log,
    topics: allTopics,
    clock,
    logger,
    tracer,
    onTold: (told) => metrics.handled({ ...told, count: 1, parked: 0 }),
  });
  for (const module of modules) module.listeners?.forEach(listeners.registerHandler);
  return listeners;
}

/** The consumer groups of these modules, and of the listeners. */
export function groupsOf(modules: readonly Module[], listeners: Listeners): readonly string[] {
  const handling = modules.flatMap(({ handlers }) => handlers.map(nameOf));
  const reading = modules.flatMap((module) => module.reading?.group ?? []);
  return [...handling, ...reading, ...listeners.groups()];
}

export function topicsReadBy(modules: readonly Module[], listeners: Listeners): readonly string[] {
  const handled = modules.flatMap(({ handlers }) => handlers.map(({ topic }) => topic.name));
  const reading = modules.flatMap((module) => module.reading?.topics ?? []);
  return [...new Set([...handled, ...reading, ...listeners.getRegisteredTopics()])];
}

function nameOf({ name }: AnyHandler): string {
  return name;
}

/** Kafka forgets what is too old by itself; the log in tables needs a worker for it. */
export function logWorkers({ databases, log, clock, logger }: ConsumingDeps): Worker[] {
  return log.kind === "table"
    ? [createLogRetention({ db: databases.platform, clock, logger })]
    : [];
}
