/**
 * Applies the records of one batch: all in one transaction, or, when the database refuses it, once
 * more with each message apart; or one message per transaction after crashes. Throws only what is
 * no message's fault.
 */
import type { Message } from "@bufbuild/protobuf";
import type { Logger } from "../telemetry/logger.ts";
import type { Tracer } from "../telemetry/tracing.ts";
import { type BatchResult, type BatchRun, type BatchRunDeps, runBatch } from "./batch-run.ts";
import type { Place } from "./consumer-tables.ts";
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
}

/** A conflict of keys is run again this often before its message is looked for. */
const maxConflicts = 3;

export async function attemptBatch<M extends Message>(
  deps: AttemptDeps<M>,
  batch: LogBatch,
): Promise<BatchResult> {
  const { guard } = deps;
  const first = batch.records[0]?.offset ?? batch.low;
  return guard.alone(() =>
    guard.isCareful(batch.partition, first)
      ? attemptOneByOne(deps, batch)
      : attemptPortion(deps, batch),
  );
}

/** What is left of the batch is fetched again. */
async function attemptPortion<M extends Message>(
  deps: AttemptDeps<M>,
  batch: LogBatch,
): Promise<BatchResult> {
  const { portion } = deps;
  const records = portion.of(batch.partition, batch.records);
  try {
    const result = await attempt(deps, batch, records);
    portion.passed(batch.partition);
    return result;
  } catch (error) {
    portion.failed(batch.partition, records.length, error);
    throw error;
  }
}

async function attempt<M extends Message>(
  deps: AttemptDeps<M>,
  batch: LogBatch,
  records: readonly LogRecord[],
): Promise<BatchResult> {
  const { tracer, handler } = deps;
  const received = records.map((record) => receive(handler.topic, record));
  const traced = traceMessages(tracer, handler.name, received);
  const run: Omit<BatchRun<M>, "mode"> = {
    place: placeOf(deps, batch),
    low: batch.low,
    clusterId: await deps.clusterId(),
    received: traced.received,
    suspect: deps.guard.suspectOf(batch.partition),
  };
  try {
    const result = await runUntilDecided(deps, run);
    if (result.kind === "done") deps.window.add(result.handled, result.failures);
    traced.end(result.kind, (record) => setAsideFor(result, record));
    return result;
  } catch (error) {
    traced.end("failed", () => error);
    throw error;
  }
}

function setAsideFor(result: BatchResult, { offset }: LogRecord): unknown {
  if (result.kind !== "done") return undefined;
  const aside = result.aside.find(({ record }) => record.offset === offset);
  return aside && (aside.error ?? aside.reason);
}

async function runUntilDecided<M extends Message>(
  deps: AttemptDeps<M>,
  run: Omit<BatchRun<M>, "mode">,
): Promise<BatchResult> {
  for (let conflicts = 1; ; conflicts += 1) {
    try {
      return await runBatch(deps, { ...run, mode: "whole" });
    } catch (error) {
      const found = classifyFailure(error);
      if (found === "conflict" && conflicts < maxConflicts) continue;
      if (found !== "conflict" && found !== "permanent") throw error;
      deps.logger.warn({ ...run.place, err: error }, "batch failed; looking for the message");
      return runBatch(deps, { ...run, mode: "apart" });
    }
  }
}

/** Each message alone, its offset committed first: see CrashGuard. */
async function attemptOneByOne<M extends Message>(
  deps: AttemptDeps<M>,
  batch: LogBatch,
): Promise<BatchResult> {
  const { guard, db, tables } = deps;
  let result: BatchResult | undefined;
  for (const record of batch.records) {
    guard.touching(batch.partition, record.offset);
    if (record.offset !== guard.suspectOf(batch.partition)) {
      await markSuspect(db, tables.cursor, placeOf(deps, batch), record.offset);
    }
    const one = await attempt(deps, batch, [record]);
    if (one.kind === "gap" || one.kind === "unknown") return result?.kind === "done" ? result : one;
    if (one.kind === "done") guard.passed(batch.partition, one.next);
    result = sum(result, one);
  }
  return result ?? { kind: "stale", next: batch.low };
}

function sum(before: BatchResult | undefined, one: BatchResult): BatchResult {
  if (before?.kind !== "done" || one.kind !== "done") return before?.kind === "done" ? before : one;
  return {
    ...one,
    handled: before.handled + one.handled,
    parked: before.parked + one.parked,
    aside: [...before.aside, ...one.aside],
  };
}

function placeOf<M extends Message>({ handler }: AttemptDeps<M>, batch: LogBatch): Place {
  return { consumer: handler.name, topic: batch.topic, partition: batch.partition };
}
