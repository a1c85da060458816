/**
 * Applies batches: of several partitions in one transaction, or, when that fails, each partition in
 * its own; there once more with each message apart where the database refuses it; or one message
 * per transaction after crashes. What is no message's fault is said of its batch.
 */
import type { Message } from "@bufbuild/protobuf";
import { required } from "#kernel/assert";
import type { Logger } from "../telemetry/logger.ts";
import type { Tracer } from "../telemetry/tracing.ts";
import { type BatchResult, type BatchRun, type BatchRunDeps, runBatch } from "./batch-run.ts";
import type { CrashGuard } from "./crash-guard.ts";
import { markSuspect } from "./cursor.ts";
import type { LogBatch, LogRecord } from "./event-log.ts";
import { classifyFailure } from "./failure.ts";
import { receive } from "./intake.ts";
import { traceMessages } from "./message-spans.ts";
import type { Portion } from "./portion.ts";

export interface AttemptDeps<M extends Message> extends BatchRunDeps<M> {
  readonly guard: CrashGuard;
  readonly portion: Portion;
  readonly logger: Logger;
  readonly tracer: Tracer;
  readonly clusterId: () => Promise<string>;
  /** Partitions failed together, and not by a passing conflict. */
  readonly onApart: () => void;
}

/** A conflict of keys is run again this often before its message is looked for. */
const maxConflicts = 3;

export type Attempted = { readonly batch: LogBatch } & (
  | { readonly result: BatchResult }
  | { readonly error: unknown }
);

/** Batches of different partitions; each with what became of it. */
export async function attemptBatches<M extends Message>(
  deps: AttemptDeps<M>,
  batches: readonly LogBatch[],
): Promise<readonly Attempted[]> {
  const { guard } = deps;
  return guard.alone(async () => {
    const together = batches.length > 1 && !batches.some((batch) => isCareful(deps, batch));
    const done = together ? await inOneTransaction(deps, batches) : undefined;
    if (done !== undefined) return done;
    const attempted: Attempted[] = [];
    for (const batch of batches) attempted.push(await onePartition(deps, batch));
    return attempted;
  });
}

function isCareful<M extends Message>({ guard }: AttemptDeps<M>, batch: LogBatch): boolean {
  return guard.isCareful(batch.partition, batch.records[0]?.offset ?? batch.low);
}

/** Undefined when it failed, whatever the reason: nothing of it holds, and each is tried alone. */
async function inOneTransaction<M extends Message>(
  deps: AttemptDeps<M>,
  batches: readonly LogBatch[],
): Promise<readonly Attempted[] | undefined> {
  const { logger, handler, onApart } = deps;
  try {
    const portions = batches.map((batch) => portionOf(deps, batch));
    const results = await attempt(deps, portions, (run) => runBatch(deps, run));
    return batches.map((batch, at) => ({ batch, result: required(results[at], "a result") }));
  } catch (error) {
    const partitions = batches.map(({ partition }) => partition);
    logger.warn({ topic: handler.topic.name, partitions, err: error }, "each partition alone now");
    if (classifyFailure(error) !== "conflict") onApart();
    return undefined;
  }
}

async function onePartition<M extends Message>(
  deps: AttemptDeps<M>,
  batch: LogBatch,
): Promise<Attempted> {
  try {
    const careful = isCareful(deps, batch);
    const result = await (careful ? oneMessageAtATime(deps, batch) : asMuchAsGoes(deps, batch));
    return { batch, result };
  } catch (error) {
    return { batch, error };
  }
}

/** A batch, or the first records of it. */
interface Part {
  readonly batch: LogBatch;
  readonly records: readonly LogRecord[];
}

function portionOf<M extends Message>({ portion }: AttemptDeps<M>, batch: LogBatch): Part {
  return { batch, records: portion.of(batch.partition, batch.records) };
}

/** What is left of the batch is fetched again. */
async function asMuchAsGoes<M extends Message>(
  deps: AttemptDeps<M>,
  batch: LogBatch,
): Promise<BatchResult> {
  const { portion } = deps;
  const part = portionOf(deps, batch);
  try {
    const result = await attemptOne(deps, part);
    portion.passed(batch.partition);
    return result;
  } catch (error) {
    portion.failed(batch.partition, part.records.length, error);
    throw error;
  }
}

async function attemptOne<M extends Message>(
  deps: AttemptDeps<M>,
  part: Part,
): Promise<BatchResult> {
  const [result] = await attempt(deps, [part], (run) => runUntilDecided(deps, run));
  return required(result, "a result");
}

async function attempt<M extends Message>(
  deps: AttemptDeps<M>,
  parts: readonly Part[],
  run: (run: BatchRun<M>) => Promise<readonly BatchResult[]>,
): Promise<readonly BatchResult[]> {
  const { tracer, handler, guard, window } = deps;
  const traced = parts.map(({ records }) => {
    const received = records.map((record) => receive(handler.topic, record));
    return traceMessages(tracer, handler.name, received);
  });
  const clusterId = await deps.clusterId();
  try {
    const results = await run({
      parts: parts.map(({ batch: { partition, low } }, at) => ({
        partition,
        low,
        received: traced[at]?.received ?? [],
        suspect: guard.suspectOf(partition),
      })),
      clusterId,
      mode: "whole",
    });
    for (const [at, result] of results.entries()) {
      const failures = failuresOf(result);
      if (result.kind === "done") window.add(result.handled + failures.length, failures);
      traced[at]?.end(result.kind, (record) => setAsideFor(result, record));
    }
    return results;
  } catch (error) {
    for (const { end } of traced) end("failed", () => error);
    throw error;
  }
}

/** What was thrown for messages that could be decoded. */
function failuresOf(result: BatchResult): readonly unknown[] {
  if (result.kind !== "done") return [];
  return result.aside.filter(({ reason }) => reason === "failed").map(({ error }) => error);
}

function setAsideFor(result: BatchResult, { offset }: LogRecord): unknown {
  if (result.kind !== "done") return undefined;
  const aside = result.aside.find(({ record }) => record.offset === offset);
  return aside && (aside.error ?? aside.reason);
}

async function runUntilDecided<M extends Message>(
  deps: AttemptDeps<M>,
  run: BatchRun<M>,
): Promise<readonly BatchResult[]> {
  for (let conflicts = 1; ; conflicts += 1) {
    try {
      return await runBatch(deps, run);
    } catch (error) {
      const found = classifyFailure(error);
      if (found === "conflict" && conflicts < maxConflicts) continue;
      if (found !== "conflict" && found !== "permanent") throw error;
      const [part] = run.parts;
      const where = { topic: deps.handler.topic.name, partition: part?.partition };
      deps.logger.warn({ ...where, err: error }, "batch failed; looking for the message");
      return runBatch(deps, { ...run, mode: "apart" });
    }
  }
}

/** Each message alone, its offset committed first: see CrashGuard. */
async function oneMessageAtATime<M extends Message>(
  deps: AttemptDeps<M>,
  batch: LogBatch,
): Promise<BatchResult> {
  const { guard, db, tables, handler } = deps;
  const place = { consumer: handler.name, topic: batch.topic, partition: batch.partition };
  let result: BatchResult | undefined;
  for (const record of batch.records) {
    guard.touching(batch.partition, record.offset);
    if (record.offset !== guard.suspectOf(batch.partition)) {
      await markSuspect(db, tables.cursor, place, record.offset);
    }
    const one = await attemptOne(deps, { batch, records: [record] });
    if (one.kind === "gap" || one.kind === "unknown") return result?.kind === "done" ? result : one;
    if (one.kind === "done") guard.passed(batch.partition, one.next);
    result = sum(result, one);
  }
  return required(result, "a record in a batch");
}

function sum(before: BatchResult | undefined, one: BatchResult): BatchResult {
  if (before?.kind !== "done" || one.kind !== "done") return before?.kind === "done" ? before : one;
  const handled = before.handled + one.handled;
  return { ...one, handled, aside: [...before.aside, ...one.aside] };
}
