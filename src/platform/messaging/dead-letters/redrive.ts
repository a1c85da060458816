/**
 * Tries parked messages again, beside the stream: key by key, in the order of the log, until one
 * fails; only for the predecessor that a numbered message lacks it looks further behind. The lock on
 * the key's block keeps the stream from passing it: a batch waits, and then sees either the block, or a
 * key with nothing left behind.
 */
import type { Message } from "@bufbuild/protobuf";
import type { Tx } from "../../database/database.ts";
import { GapError, TransientError } from "../../errors.ts";
import type { Worker } from "../../module.ts";
import { passingTracer } from "../../telemetry/tracing.ts";
import { aboutMessage } from "../about-message.ts";
import { createSorting } from "../batch.ts";
import { handleInSavepoint } from "../batch-run.ts";
import type { ConsumerOptions } from "../consumer.ts";
import { type ConsumerTables, consumerTables } from "../consumer-tables.ts";
import type { NewRecord } from "../event-log.ts";
import { classifyFailure } from "../failure.ts";
import { receive } from "../intake.ts";
import { traceMessages } from "../message-spans.ts";
import { defaultRedriveDelaysMs } from "../parking.ts";
import { deadLetterCopy } from "./dead-letter.ts";
import { REDRIVE_CRASH, takeInHand } from "./in-hand.ts";
import {
  deletePassed,
  dueKeys,
  dueMessages,
  keepFailed,
  type LockOptions,
  letGo,
  lockUnit,
  markInHand,
  type ParkedRow,
  putOff,
  type Unit,
  unblockEmpty,
} from "./parked-rows.ts";

export interface RedriveOptions<M extends Message>
  extends Omit<ConsumerOptions<M>, "log" | "lanes" | "maxRecords" | "pollMs"> {
  /** So long what one process has in hand is left to it, unless it holds its lock; then it is dead. */
  readonly heldMs?: number;
  /** So long what failed transiently is left alone, while others have their turn. */
  readonly hiccupMs?: number;
}

const unitsPerStep = 20;
const messagesPerUnit = 50;
/** So far behind a message its missing predecessor is looked for. */
const gapReach = 500;
const usualHeldMs = 10_000;
const usualHiccupMs = 2_000;

interface Deps<M extends Message> extends RedriveOptions<M> {
  readonly tables: ConsumerTables;
  readonly delaysMs: readonly number[];
  readonly lock: LockOptions & { readonly owner: string };
}

export function createRedrive<M extends Message>(options: RedriveOptions<M>): Worker {
  const { handler, db, schema, redriveDelaysMs: delaysMs = defaultRedriveDelaysMs } = options;
  const logger = options.logger.child({ redrive: handler.name });
  const tables = consumerTables(schema);
  const lock = {
    tables,
    consumer: handler.name,
    owner: crypto.randomUUID(),
    limit: messagesPerUnit,
    heldMs: options.heldMs ?? usualHeldMs,
  };
  const deps: Deps<M> = { ...options, logger, delaysMs, tables, lock };
  const due = handler.order === "none" ? dueMessages : dueKeys;
  return {
    name: `${handler.name}.redrive`,
    idleMs: 1_000,
    async step() {
      const units = await due(db, deps.tables, handler.name, unitsPerStep);
      let failure: unknown;
      let moved = false;
      for (const unit of units) {
        try {
          moved = (await redrive(deps, unit)) || moved;
        } catch (error) {
          if (classifyFailure(error) === "systemic") throw error;
          // The others may get through; the caller waits a little before the next step.
          failure ??= error;
        }
      }
      if (failure !== undefined) throw failure;
      return moved ? "worked" : "idle";
    },
  };
}

interface Outcome {
  readonly tried: boolean;
  readonly passed: number;
  /** What the first lacks may lie further behind. */
  readonly further?: boolean;
}

async function redrive<M extends Message>(deps: Deps<M>, unit: Unit): Promise<boolean> {
  const { handler, db, outbox, clock, onHandled, lock } = deps;
  const startedMs = clock.monotonicMs();
  const taken = await db.withTx((tx) => take(tx, deps, unit));
  if (taken === undefined) return false;
  const outcome = await db
    .withTx((tx) => redriveIn(tx, deps, unit))
    .catch(async (error: unknown) => {
      // Best effort: what stays in our hand is ours to take again.
      await leave(deps, taken).catch(() => undefined);
      throw error;
    });
  if (!outcome.tried) return false;
  if (outcome.further) return redrive({ ...deps, lock: { ...lock, limit: gapReach } }, unit);
  outbox.wake();
  const durationMs = clock.monotonicMs() - startedMs;
  const handled = { handler: handler.name, count: outcome.passed, parked: 0, waitedMs: [] };
  onHandled?.({ ...handled, durationMs });
  return true;
}

/** Back among the others, and not at once again: no fault of these messages is known. */
async function leave<M extends Message>(
  { handler, db, tables, lock, hiccupMs = usualHiccupMs }: Deps<M>,
  taken: readonly ParkedRow[],
): Promise<void> {
  const { owner } = lock;
  const [row] = taken;
  if (row) await putOff(db, tables, handler.name, { owner, row, delayMs: hiccupMs });
  await letGo(db, tables, handler.name, owner, taken);
}

/** Undefined: there is nothing to try. A letter that ended too many processes is dead by then. */
async function take<M extends Message>(
  tx: Tx,
  deps: Deps<M>,
  unit: Unit,
): Promise<readonly ParkedRow[] | undefined> {
  const taken = await takeInHand(tx, deps.lock, unit);
  if (taken.kind === "rows") return taken.rows;
  if (taken.kind === "crashed") {
    const dead = { ...taken.row, oneTry: true };
    const copy = await failAgain(tx, deps, dead, REDRIVE_CRASH);
    if (copy !== undefined) await deps.outbox.enqueueRaw(tx, [copy]);
  }
  return undefined;
}

async function redriveIn<M extends Message>(tx: Tx, deps: Deps<M>, unit: Unit): Promise<Outcome> {
  const { handler, tables, outbox, lock } = deps;
  const consumer = handler.name;
  const found = await lockUnit(tx, lock, unit);
  const rows = found && inOurHand(found, lock.owner);
  if (rows === undefined || rows[0]?.due === false) return { tried: false, passed: 0 };

  const { passed, failed } = await tryRows(tx, deps, rows);
  if (passed.length === 0 && failed?.error instanceof GapError) {
    const behind = found?.[rows.length];
    const outcome = await whatTheyLack(tx, deps, rows, behind);
    if (outcome !== undefined) return outcome;
  }
  const rest = rows.filter((row) => !passed.includes(row));
  let copy: NewRecord | undefined;
  if (failed?.class === "permanent") copy = await blame(tx, deps, rest, failed);
  // What went through before it is kept: otherwise a long row of messages never gets through.
  else if (failed !== undefined && passed.length === 0) throw failed.error;
  await deletePassed(tx, tables, consumer, passed);
  await letGo(tx, tables, consumer, lock.owner, rest);
  if (unit.kind === "key") await unblockEmpty(tx, tables, consumer, [unit.key]);
  if (copy !== undefined) await outbox.enqueueRaw(tx, [copy]);
  return { tried: true, passed: passed.length };
}

/** All of them came too early. Undefined when nothing is left to be looked for: that is a failure. */
async function whatTheyLack<M extends Message>(
  tx: Tx,
  { handler, tables, lock, delaysMs }: Deps<M>,
  rows: readonly ParkedRow[],
  behind: ParkedRow | undefined,
): Promise<Outcome | undefined> {
  const consumer = handler.name;
  const { owner, limit } = lock;
  if (rows.some(({ crashes }) => crashes > 0)) {
    // None of them ended this process: next time it looks behind the one that was suspicious.
    const cleared = rows.map((row) => ({ ...row, crashes: 0, inHandOf: undefined }));
    await markInHand(tx, tables, consumer, cleared);
    return { tried: true, passed: 0 };
  }
  if (rows.length === limit && limit < gapReach) {
    await letGo(tx, tables, consumer, owner, rows);
    return { tried: true, passed: 0, further: true };
  }
  const [row] = rows;
  if (row === undefined || behind?.state !== "dead") return undefined;
  // It may be the dead one they lack, and a person has that in hand: a replay of it moves them too.
  await putOff(tx, tables, consumer, { owner, row, delayMs: delaysMs.at(-1) ?? 0 });
  await letGo(tx, tables, consumer, owner, rows);
  return { tried: false, passed: 0 };
}

/** The failure is written on its own row; where others wait in front of it, they wait with it. */
async function blame<M extends Message>(
  tx: Tx,
  deps: Deps<M>,
  [row]: readonly ParkedRow[],
  failed: RowFailure & { readonly row: ParkedRow },
): Promise<NewRecord | undefined> {
  const { handler, tables, lock } = deps;
  const delayMs = delayAfter(deps, failed.row);
  if (row !== undefined && row !== failed.row && delayMs !== undefined) {
    await putOff(tx, tables, handler.name, { owner: lock.owner, row, delayMs });
  }
  return failAgain(tx, deps, failed.row, failed.error);
}

/** The first ones, as far as nobody else has taken them meanwhile; undefined when it is none. */
function inOurHand(rows: readonly ParkedRow[], owner: string): readonly ParkedRow[] | undefined {
  const end = rows.findIndex(({ inHandOf }) => inHandOf !== owner);
  if (end === 0) return undefined;
  return end < 0 ? rows : rows.slice(0, end);
}

interface Tried {
  readonly passed: readonly ParkedRow[];
  /** What stopped us, else the first that came too early, and still does. */
  readonly failed?: (RowFailure & { readonly row: ParkedRow }) | undefined;
  /** Some came too early. */
  readonly gap?: boolean;
}

/** Again from the first, as long as something behind a gap goes through. */
async function tryRows<M extends Message>(
  tx: Tx,
  deps: Deps<M>,
  rows: readonly ParkedRow[],
): Promise<Tried> {
  const passed: ParkedRow[] = [];
  for (let rest = rows; ; rest = rest.filter((row) => !passed.includes(row))) {
    const before = passed.length;
    const { failed, gap } = await tryInOrder(tx, deps, rest, passed);
    const closed = gap && passed.length > before;
    if (!closed) return { passed, failed };
  }
}

/** Adds to `passed`; stops at the first failure that is no gap. */
async function tryInOrder<M extends Message>(
  tx: Tx,
  deps: Deps<M>,
  rows: readonly ParkedRow[],
  passed: ParkedRow[],
): Promise<Omit<Tried, "passed">> {
  let early: Tried["failed"];
  for (const row of rows) {
    if (row.state === "dead") break;
    const failure = await tryRow(tx, deps, row);
    if (failure === undefined) passed.push(row);
    else if (failure.error instanceof GapError) early ??= { ...failure, row };
    // It may be what the early ones lack: its own cause is the one to be known.
    else return { failed: { ...failure, row }, gap: early !== undefined };
  }
  return { failed: early, gap: early !== undefined };
}

interface RowFailure {
  readonly error: unknown;
  /** transient: no fault of the message, and not counted. */
  readonly class: "permanent" | "transient";
}

/** What the message failed with, undone; throws what is wrong with more than this message. */
async function tryRow<M extends Message>(
  tx: Tx,
  deps: Deps<M>,
  { record }: ParkedRow,
): Promise<RowFailure | undefined> {
  const { tracer = passingTracer, handler } = deps;
  const received = receive(handler.topic, record);
  const traced = traceMessages(tracer, handler.name, [received]);
  const [item = received] = traced.received;
  if (item.kind === "undecodable") return { error: item.error, class: "permanent" };
  if (item.kind === "unknown") {
    const error = new TransientError("a parked message waits for a newer version", {
      cause: item.error,
    });
    return { error, class: "transient" };
  }
  const sorting = createSorting<M>({ items: [item], ordered: false, blocked: [] });
  try {
    await handleInSavepoint(tx, deps, sorting, item);
    traced.end("redriven", () => sorting.failures[0]);
  } catch (error) {
    traced.end("failed", () => error);
    const found = classifyFailure(error);
    if (found === "systemic") throw error;
    return { error, class: found === "transient" ? "transient" : "permanent" };
  }
  const [error] = sorting.failures;
  return sorting.failures.length === 0 ? undefined : { error, class: "permanent" };
}

/** Counted, and tried later; after the last try dead, with its copy for the topic of dead letters. */
async function failAgain<M extends Message>(
  tx: Tx,
  deps: Deps<M>,
  row: ParkedRow,
  error: unknown,
): Promise<NewRecord | undefined> {
  const { handler, tables, logger } = deps;
  const { record } = row;
  const attempts = row.attempts + 1;
  const delayMs = delayAfter(deps, row);
  const consumer = handler.name;
  // Whatever else it did, this time it did not end the process.
  const crashes = error === REDRIVE_CRASH ? row.crashes : 0;
  const again = { error, attempts, crashes, delayMs };
  const times = await keepFailed(tx, tables, consumer, row, again);
  const where = { ...aboutMessage(record), attempts, err: error };
  if (delayMs !== undefined) {
    logger.warn(where, "parked message failed again");
    return undefined;
  }
  logger.error({ alarm: "dead-letter", ...where }, "message is dead; its key waits for a person");
  return deadLetterCopy({ consumer, record, error, attempts, ...times });
}

/** Until its next try, when it has failed once more; undefined: dead. */
function delayAfter<M extends Message>(
  { delaysMs }: Deps<M>,
  { oneTry, attempts }: ParkedRow,
): number | undefined {
  // A replay of what was dead is one try: the operator sees at once what became of it.
  return oneTry ? undefined : delaysMs[attempts];
}
