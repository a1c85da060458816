/**
 * Reads a handler's topic and applies it batch by batch, each message exactly once in effect and in
 * the order of its key. Nothing is skipped: a message takes effect, is set aside in the same
 * transaction, or its partition waits. A lane takes what all partitions have ready into one
 * transaction. No failure leaves a step but the loss of the group member.
 */
import type { Message } from "@bufbuild/protobuf";
import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import type { Worker } from "../module.ts";
import type { Logger } from "../telemetry/logger.ts";
import { passingTracer, type Tracer } from "../telemetry/tracing.ts";
import { WorkerLostError } from "../workers/worker-lost-error.ts";
import { tell } from "./about-message.ts";
import { type AttemptDeps, attemptBatches } from "./attempt.ts";
import type { BatchResult } from "./batch-run.ts";
import { consumerTables } from "./consumer-tables.ts";
import { createCrashGuard } from "./crash-guard.ts";
import { acquit, assign } from "./cursor.ts";
import type { EventLog, LogBatch, PartitionEnds, Subscription } from "./event-log.ts";
import { classifyFailure, createFailureWindow } from "./failure.ts";
import { createGathering } from "./gathering.ts";
import type { HandlerDeclaration } from "./handler.ts";
import type { Outbox } from "./outbox.ts";
import { defaultRedriveDelaysMs } from "./parking.ts";
import { createPortion } from "./portion.ts";
import { createSettlement, type Settlement } from "./settlement.ts";

/**
 * One batch of one partition that was committed, by its reader or tried again beside it. What several
 * partitions had in one transaction took each as long as the whole.
 */
export interface Handled {
  readonly handler: string;
  readonly count: number;
  readonly parked: number;
  readonly durationMs: number;
  /** Of each message taken: from the log's acceptance to the commit. */
  readonly waitedMs: readonly number[];
}

export interface ConsumerOptions<M extends Message> {
  readonly handler: HandlerDeclaration<M>;
  readonly schema: string;
  readonly db: Database;
  readonly log: EventLog;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Transactions side by side, of different partitions: one decides while another one commits. */
  readonly lanes?: number;
  readonly maxRecords?: number;
  /** How long a step waits for a batch. */
  readonly pollMs?: number;
  /** How long a parked message waits after its n-th failure. */
  readonly redriveDelaysMs?: readonly number[];
  readonly tracer?: Tracer;
  readonly onHandled?: (handled: Handled) => void;
}

/** One waits for its commit while another decides; more of them find only one or two messages each. */
function lanesOf({ kind }: Database): number {
  return kind === "pglite" ? 1 : 3;
}

export function createConsumer<M extends Message>(options: ConsumerOptions<M>): Worker {
  const { handler, db, log, clock } = options;
  const { lanes = lanesOf(db), maxRecords = 250, pollMs = 500 } = options;
  const { name, topic } = handler;
  const logger = options.logger.child({ consumer: name });
  const settlement = createSettlement({ consumer: name, logger });
  const gathering = createGathering({ clock, maxRecords });
  const onApart = gathering.failed;
  const deps = { ...attemptDeps(options, logger, maxRecords), onApart };
  let subscription: Subscription | undefined;

  const startAt = (_: string, partition: number, ends: PartitionEnds): Promise<bigint> =>
    positionOf(deps, settlement, log, { ...ends, partition });

  const leave = async (): Promise<void> => {
    const open = subscription;
    subscription = undefined;
    await open?.close();
  };

  return {
    name,
    idleMs: 10,
    lanes,
    async start() {
      const topics = [topic.name];
      subscription ??= log.subscribe({ group: name, topics, startAt, maxRecords });
    },
    async step() {
      if (settlement.halted() !== undefined) await leave();
      if (subscription === undefined) {
        await clock.sleep(pollMs);
        return "idle";
      }
      if (subscription.state() === "lost") throw new WorkerLostError(`${name} lost its group`);
      const batches = await gathering.take(subscription, pollMs);
      if (batches.length === 0) return "idle";
      try {
        await handle(options, deps, settlement, batches);
      } finally {
        gathering.settled();
      }
      return "worked";
    },
    async stop() {
      await leave();
      const { tables, guard } = deps;
      const reader = { consumer: name, topic: topic.name };
      await acquit(db, tables.cursor, reader, guard.partitions()).catch((error: unknown) =>
        logger.warn({ err: error }, "the count of crashes was not reset"),
      );
    },
    problem() {
      const known = settlement.problem();
      if (known !== undefined) return known;
      return subscription?.state() === "joined" ? undefined : `${name} has not joined its group`;
    },
  };
}

function attemptDeps<M extends Message>(
  options: ConsumerOptions<M>,
  logger: Logger,
  maxRecords: number,
): Omit<AttemptDeps<M>, "onApart"> {
  const { handler, schema, db, log, outbox, tracer = passingTracer } = options;
  const { redriveDelaysMs = defaultRedriveDelaysMs } = options;
  let cluster: string | undefined;
  return {
    handler,
    db,
    outbox,
    logger,
    tracer,
    tables: consumerTables(schema),
    window: createFailureWindow(),
    guard: createCrashGuard(maxRecords),
    portion: createPortion(),
    firstDelayMs: redriveDelaysMs[0] ?? 0,
    clusterId: async () => {
      cluster ??= await log.clusterId();
      return cluster;
    },
  };
}

async function positionOf<M extends Message>(
  { handler, db, tables, guard, clusterId }: AttemptDeps<M>,
  settlement: Settlement,
  log: EventLog,
  ends: PartitionEnds,
): Promise<bigint> {
  try {
    const { topic, partition } = ends;
    const place = { consumer: handler.name, topic, partition };
    const endNow = async (): Promise<bigint> =>
      (await log.ends([topic])).find((now) => now.partition === partition)?.end ?? ends.end;
    const assigned = await assign(db, tables.cursor, {
      place,
      ends,
      clusterId: await clusterId(),
      endNow,
    });
    guard.assigned(partition, assigned);
    return assigned.next;
  } catch (error) {
    if (classifyFailure(error) === "systemic") settlement.halt(error);
    throw error;
  }
}

async function handle<M extends Message>(
  options: ConsumerOptions<M>,
  deps: AttemptDeps<M>,
  settlement: Settlement,
  batches: readonly LogBatch[],
): Promise<void> {
  const startedMs = options.clock.monotonicMs();
  for (const one of await attemptBatches(deps, batches)) {
    const { batch } = one;
    try {
      if ("error" in one) throw one.error;
      const { result } = one;
      if (result.kind === "done") noteDone(options, deps, batch, result, startedMs);
      await settlement.settle(batch, result);
    } catch (error) {
      settlement.giveBack(batch, error);
    }
  }
}

function noteDone<M extends Message>(
  { handler, outbox, clock, onHandled }: ConsumerOptions<M>,
  { guard, logger }: AttemptDeps<M>,
  batch: LogBatch,
  { next, handled, aside }: Extract<BatchResult, { kind: "done" }>,
  startedMs: number,
): void {
  outbox.wake();
  guard.passed(batch.partition, next);
  const taken = batch.records.filter(({ offset }) => offset < next);
  const nowMs = clock.wall().getTime();
  tell(logger, taken, aside);
  onHandled?.({
    handler: handler.name,
    count: handled,
    parked: aside.length,
    durationMs: clock.monotonicMs() - startedMs,
    waitedMs: taken.map(({ appendedAt }) => Math.max(0, nowMs - appendedAt.getTime())),
  });
}
