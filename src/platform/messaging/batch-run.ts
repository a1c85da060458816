/**
 * One batch, one transaction, statements in this order: the cursor, the blocked keys, what the
 * handler locks and writes, what is set aside, the outbox, the cursor again. Either all of it holds
 * or nothing; running it again after an unknown outcome is right, since the cursor then tells.
 */
import type { Message } from "@bufbuild/protobuf";
import type { Database, Tx } from "../database/database.ts";
import { SystemicError, TerminalError } from "../errors.ts";
import { createSorting, type Decodable, type Sorting } from "./batch.ts";
import type { ConsumerTables, Place } from "./consumer-tables.ts";
import { lockCursor, moveCursor } from "./cursor.ts";
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

export interface BatchRun<M extends Message> {
  readonly place: Place;
  readonly low: bigint;
  readonly clusterId: string;
  readonly received: readonly Received<M>[];
  /** Ended the process before; set aside without being touched. */
  readonly suspect: bigint | undefined;
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
      readonly parked: number;
      readonly failures: readonly unknown[];
      readonly aside: readonly SetAside[];
    };

type Fresh<M extends Message> = Extract<Slice<M>, { kind: "fresh" }>;

export async function runBatch<M extends Message>(
  deps: BatchRunDeps<M>,
  run: BatchRun<M>,
): Promise<BatchResult> {
  return deps.db.withTx(async (tx) => {
    const next = await lockCursor(tx, deps.tables.cursor, run.place, run);
    const slice = sliceFrom(run.received, next, deps.handler.gaps === true);
    if (slice.kind === "fresh") return runFresh(tx, deps, run, slice);
    return slice.kind === "unknown" ? slice : { kind: slice.kind, next };
  });
}

async function runFresh<M extends Message>(
  tx: Tx,
  deps: BatchRunDeps<M>,
  run: BatchRun<M>,
  { received, next }: Fresh<M>,
): Promise<BatchResult> {
  const { handler, tables, outbox, window, firstDelayMs } = deps;
  const { place } = run;
  const ordered = handler.order !== "none";
  const keys = [...new Set(received.map(({ record }) => keyOf(record)))];
  const blocked = ordered ? await lockBlockedKeys(tx, tables.blockedKey, place.consumer, keys) : [];
  const sorting = createSorting<M>({ ordered, blocked });
  const passing = sortOut(sorting, received, run.suspect);

  const said =
    run.mode === "whole"
      ? await handleWhole(tx, deps, sorting, passing)
      : await handleApart(tx, deps, sorting, passing);
  const handled = passing.length;
  const excess = window.excess(handled, sorting.failures);
  if (excess !== undefined) throw new SystemicError(`too many messages fail alike: ${excess}`);

  const copies = await park(tx, tables, { place, ordered, messages: sorting.aside, firstDelayMs });
  if (said.length > 0) await outbox.enqueue(tx, said);
  if (copies.length > 0) await outbox.enqueueRaw(tx, copies);
  await moveCursor(tx, tables.cursor, place, next);
  const { failures, aside } = sorting;
  return { kind: "done", next, handled, parked: aside.length, failures, aside };
}

/** In order: an undecodable message holds back those behind it, not those before it. */
function sortOut<M extends Message>(
  sorting: Sorting<M>,
  received: Fresh<M>["received"],
  suspect: bigint | undefined,
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
