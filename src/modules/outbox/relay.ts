/**
 * Moves the rows of one outbox to the log. Order holds per key because each shard is read from its
 * lowest unsent row, one send of a topic is in flight at a time, and a row is removed only once it is
 * acknowledged. Two relays may send a row twice, never a later one of its key first. Where a connector
 * publishes, this sends only what that left behind, and leaves the removal to `published-rows.ts`.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { EventLog, RecordRefusedError } from "#platform/messaging/event-log";
import { assertOutboxSequence, type Outbox } from "#platform/messaging/outbox";
import type { Logger } from "#platform/telemetry/logger";
import { passingTracer, type Tracer, traceIdOf } from "#platform/telemetry/tracing";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { createFloors, noFloors } from "./floors.ts";
import { createLeases } from "./leases.ts";
import { createOverdue } from "./overdue.ts";
import { forgetPositions } from "./published-positions.ts";
import { createOutboxRows, type OutboxRow } from "./rows.ts";
import { createSending } from "./sending.ts";
import { traceSends } from "./trace-sends.ts";

export interface RelayOptions {
  readonly db: Database;
  readonly schema: string;
  readonly log: Pick<EventLog, "createProducer">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Names this start of this process, different at every start. */
  readonly owner: string;
  /** The outbox of this process, which says when it has written. */
  readonly wakeOn?: Pick<Outbox, "onWake"> | undefined;
  readonly tracer?: Tracer;
  readonly measure?: PublishMeasures | undefined;
  /** Rows per read without a backlog; ten times as many with one. */
  readonly batchSize?: number;
  readonly leaseMs?: number;
  /** How soon rows of another process are found; 25 by default. */
  readonly idleMs?: number;
  /** Another publishes; only what waits for this long, or twice as long, is left to this relay. */
  readonly overdueAfterMs?: number;
}

/** Counts for the metrics of this process. */
export interface PublishMeasures {
  published(schema: string, rows: number): void;
  /** A send was rejected; its rows come again. */
  publishFailed(schema: string, rows: number): void;
  /** The log will never take a row. */
  refused(schema: string): void;
  /** Rows another publisher should have brought to the log. */
  overdue(schema: string, rows: number): void;
}

/** Nobody else writes to an embedded database, and who writes in this process says so (`wakeOn`). */
const idleMsByKind = { postgres: 25, pglite: 1_000 } as const;
/** A few busy keys fill one shard only. */
const leastPerShard = 32;

export function createRelay(options: RelayOptions): WakeableWorker {
  const { db, schema, log, clock, owner, wakeOn, batchSize = 100, leaseMs = 5_000 } = options;
  const {
    idleMs = idleMsByKind[db.kind],
    tracer = passingTracer,
    overdueAfterMs: afterMs,
  } = options;
  const logger = options.logger.child({ worker: `outbox.${schema}` });
  const leases = createLeases({ db, schema, owner, clock, leaseMs });
  const rows = createOutboxRows(db, schema);
  const overdue = afterMs === undefined ? undefined : createOverdue({ db, schema, clock, afterMs });
  const floors = overdue === undefined ? createFloors({ db, schema, clock }) : noFloors;
  const sending = createSending({
    log,
    clock,
    logger,
    safe: leases.safe,
    acknowledged: async (acked) => {
      // Whoever reads the topics removes it, once it stands there behind all that came before it.
      if (overdue !== undefined) overdue.sent(acked);
      else await rows.remove(acked.map(({ pos }) => pos));
    },
    setAside,
    onSent: (sent, startedAt) => {
      traceSends(tracer, sent, startedAt);
      if (overdue === undefined) return options.measure?.published(schema, sent.length);
      options.measure?.overdue(schema, sent.length);
      tellOverdue(logger, sent);
    },
    onFailed: (count) => options.measure?.publishFailed(schema, count),
  });
  let limit = batchSize;

  async function setAside(row: OutboxRow, error: RecordRefusedError): Promise<void> {
    const lease = leases.held().find(({ shard }) => shard === row.shard);
    const moved = lease !== undefined && (await rows.setAside(row, lease, owner, error.message));
    if (!moved) return;
    options.measure?.refused(schema);
    tellRefused(logger, row, error);
  }

  async function read(): Promise<readonly OutboxRow[]> {
    const mine = leases.held();
    if (mine.length === 0) return [];
    if (sending.behind()) floors.reset();
    const found = await rows.read({
      leases: mine,
      floors: await floors.of(mine),
      paused: sending.excluded(),
      perShard: Math.max(leastPerShard, Math.ceil(limit / mine.length)),
      upTo: await overdue?.upTo(),
    });
    floors.read(found);
    if (found.length >= limit / 2) limit = Math.min(batchSize * 10, limit * 2);
    else if (found.length < limit / 8) limit = Math.max(batchSize, limit / 2);
    return overdue === undefined ? found : overdue.unsent(found);
  }

  async function publish(found: readonly OutboxRow[]): Promise<number> {
    const sent = await sending.send(found);
    if (sent < found.length) floors.reset();
    else for (const { shard, pos } of found) floors.sent(shard, pos);
    return sent;
  }

  return {
    name: `outbox.${schema}`,
    idleMs,
    onWake: (listener) => wakeOn?.onWake(listener) ?? (() => undefined),
    start: async () => {
      await assertOutboxSequence(db, schema);
      if (overdue === undefined) await forgetPositions(db, schema);
    },
    step: async () => {
      try {
        await leases.keep();
        const found = await read();
        if (found.length === 0) return "idle";
        return (await publish(found)) > 0 ? "worked" : "idle";
      } catch (error) {
        // What was not read or not removed may be there still: nothing may be skipped.
        floors.reset();
        throw error;
      }
    },
    stop: async () => {
      await sending.close();
      await leases.release();
    },
    problem: () => sending.problem(),
  };
}

function tellRefused(logger: Logger, row: OutboxRow, error: RecordRefusedError): void {
  const { pos, topic, key, headers } = row;
  const traced = {
    correlationId: headers["correlation-id"],
    traceId: traceIdOf(headers.traceparent),
  };
  logger.error(
    { pos, topic, key, ...traced, err: error },
    "the log refuses a message: its key is held back",
  );
}

function tellOverdue(logger: Logger, rows: readonly OutboxRow[]): void {
  const [first] = rows;
  if (first === undefined) return;
  const { pos, topic, key, headers } = first;
  logger.warn(
    { rows: rows.length, pos, topic, key, messageId: headers["message-id"] },
    "the connector has left messages behind: published in its place",
  );
}
