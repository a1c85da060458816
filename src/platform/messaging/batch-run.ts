/**
 * Batches of one or several partitions in one transaction, statements in this order: the cursors,
 * the blocked keys, what the handler locks and writes, what is set aside, the outbox, the cursors
 * again. Either all of it holds or nothing; running it again after an unknown outcome is right,
 * since the cursors then tell.
 */
import type { Message } from "@bufbuild/protobuf";
import { required } from "#kernel/assert";
import type { Database, Tx } from "../database/database.ts";
import { SystemicError, TerminalError } from "../errors.ts";
import { createSorting, type Decodable, type Sorting } from "./batch.ts";
import type { ConsumerTables } from "./consumer-tables.ts";
import { lockCursors, moveCursors } from "./cursor.ts";
import { classifyFailure, type FailureWindow } from "./failure.ts";
import type { HandlerDeclaration, Outgoing } from "./handler.ts";
import { keyOf, type Received, type Slice, sliceFrom } from "./intake.ts";
import type { Outbox } from "./outbox.ts";
import { lockBlockedKeys, park, type SetAside } from "./parking.ts";

export interface BatchRunDeps<M extends Message> {
  readonly handler: HandlerDeclaration<M>;
  readonly db: Database;
  readonly outbox: Outbox;
  readonly tables: ConsumerTables;
  readonly window: FailureWindow;
  readonly firstDelayMs: number;
}

/** A batch of one partition. */
export interface BatchPart<M extends Message> {
  readonly partition: number;
  readonly low: bigint;
  readonly received: readonly Received<M>[];
  /** Ended the process before; set aside without being touched. */
  readonly suspect: bigint | undefined;
}

export interface BatchRun<M extends Message> {
  /** Of different partitions. */
  readonly parts: readonly BatchPart<M>[];
  readonly clusterId: string;
  /** whole: one call of the handler. apart: one per message, in a savepoint of its own. */
  readonly mode: "whole" | "apart";
}

export type BatchResult =
  | { readonly kind: "stale"; readonly next: bigint }
  | { readonly kind: "gap"; readonly next: bigint }
  | { readonly kind: "unknown"; readonly error: Error }
  | {
      readonly kind: "done";
      readonly next: bigint;
      readonly handled: number;
      /** Dead and waiting ones, and those behind them. */
      readonly aside: readonly SetAside[];
    };

type Fresh<M extends Message> = BatchPart<M> & Extract<Slice<M>, { kind: "fresh" }>;

/** What became of each part, in their order. */
export async function runBatch<M extends Message>(
  deps: BatchRunDeps<M>,
  run: BatchRun<M>,
): Promise<readonly BatchResult[]> {
  const { handler, db, tables } = deps;
  const consumer = handler.name;
  const topic = handler.topic.name;
  return db.withTx(async (tx) => {
    const { parts, clusterId } = run;
    const keys = handler.order === "none" ? [] : keysOf(parts);
    const lockKeys = async () =>
      keys.length === 0 ? [] : lockBlockedKeys(tx, tables.blockedKey, consumer, keys);
    // Sent together, and run in this order: the keys are read once the cursors are ours.
    const [cursors, seen] = await Promise.all([
      lockCursors(tx, tables.cursor, { consumer, topic, places: parts, clusterId }),
      lockKeys(),
    ]);
    const blocked = cursors.late ? await lockKeys() : seen;
    const slices = run.parts.map((part) => {
      const position = required(cursors.next.get(part.partition), "a locked cursor");
      return { position, part, slice: sliceFrom(part.received, position, handler.gaps === true) };
    });
    const fresh = slices.flatMap(({ part, slice }): Fresh<M>[] =>
      slice.kind === "fresh" ? [{ ...part, ...slice }] : [],
    );
    const sorting = await runFresh(tx, deps, run.mode, { fresh, blocked });
    return slices.map(({ position, part: { partition }, slice }): BatchResult => {
      if (slice.kind === "unknown") return slice;
      if (slice.kind !== "fresh") return { kind: slice.kind, next: position };
      const aside = sorting.aside.filter(({ record }) => record.partition === partition);
      const handled = slice.received.length - aside.length;
      return { kind: "done", next: slice.next, handled, aside };
    });
  });
}

async function runFresh<M extends Message>(
  tx: Tx,
  deps: BatchRunDeps<M>,
  mode: BatchRun<M>["mode"],
  { fresh, blocked }: { readonly fresh: readonly Fresh<M>[]; readonly blocked: readonly string[] },
): Promise<Sorting<M>> {
  const { handler, tables, outbox, window, firstDelayMs } = deps;
  const consumer = handler.name;
  const ordered = handler.order !== "none";
  const items = fresh.flatMap(({ received }) => received);
  const sorting = createSorting<M>({ items, ordered, blocked });
  const passing = fresh.flatMap((part) => sortOut(sorting, part));

  const said =
    mode === "whole"
      ? await handleWhole(tx, deps, sorting, passing)
      : await handleApart(tx, deps, sorting, passing);
  const excess = window.excess(passing.length, sorting.failures);
  if (excess !== undefined) throw new SystemicError(`too many messages fail alike: ${excess}`);

  const copies = await park(tx, tables, {
    consumer,
    ordered,
    messages: sorting.aside,
    firstDelayMs,
  });
  await Promise.all([
    said.length > 0 && outbox.enqueue(tx, said),
    copies.length > 0 && outbox.enqueueRaw(tx, copies),
    fresh.length > 0 &&
      moveCursors(tx, tables.cursor, { consumer, topic: handler.topic.name }, fresh),
  ]);
  return sorting;
}

function keysOf<M extends Message>(parts: readonly BatchPart<M>[]): string[] {
  const items = parts.flatMap(({ received }) => received);
  return [...new Set(items.map(({ record }) => keyOf(record)))];
}

/** In order: an undecodable message holds back those behind it, not those before it. */
function sortOut<M extends Message>(
  sorting: Sorting<M>,
  { received, suspect }: Fresh<M>,
): Decodable<M>[] {
  const passing: Decodable<M>[] = [];
  for (const item of received) {
    if (item.record.offset === suspect) sorting.bury(item, new TerminalError(CRASH));
    else if (item.kind === "undecodable") sorting.bury(item, item.error);
    else if (sorting.passes(item)) passing.push(item);
  }
  return passing;
}

const CRASH = "CRASH: the process ended several times while it had this message in hand";

async function handleWhole<M extends Message>(
  tx: Tx,
  { handler }: BatchRunDeps<M>,
  sorting: Sorting<M>,
  passing: readonly Decodable<M>[],
): Promise<readonly Outgoing[]> {
  return passing.length === 0 ? [] : handler.handleBatch(tx, sorting.batchOf(passing));
}

/** Finds out which messages the database refuses. Each one's outbox rows are its last write, too. */
async function handleApart<M extends Message>(
  tx: Tx,
  deps: BatchRunDeps<M>,
  sorting: Sorting<M>,
  passing: readonly Decodable<M>[],
): Promise<readonly Outgoing[]> {
  for (const item of passing) {
    if (!sorting.passes(item)) continue;
    try {
      await handleInSavepoint(tx, deps, sorting, item);
    } catch (error) {
      const found = classifyFailure(error);
      if (found === "transient" || found === "systemic") throw error;
      sorting.fail(item, error);
    }
  }
  return [];
}

/** One message on its own; throws what its writes threw, after undoing them. */
export async function handleInSavepoint<M extends Message>(
  tx: Tx,
  { handler, outbox }: Pick<BatchRunDeps<M>, "handler" | "outbox">,
  sorting: Sorting<M>,
  item: Decodable<M>,
): Promise<void> {
  await tx.savepoint(async () => {
    // An earlier message may have left them immediate.
    await tx.script("SET CONSTRAINTS ALL DEFERRED");
    const said = await handler.handleBatch(tx, sorting.batchOf([item]));
    if (said.length > 0) await outbox.enqueue(tx, said);
    // Otherwise a deferred check would fail the whole batch at COMMIT.
    await tx.script("SET CONSTRAINTS ALL IMMEDIATE");
  });
}
