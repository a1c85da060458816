/**
 * Tells the log what became of a batch: done, read elsewhere, again later. Remembers per partition
 * what stands in the way, and stops the consumer for what a person has to look at.
 */
import type { Logger } from "../telemetry/logger.ts";
import type { BatchResult } from "./batch-run.ts";
import { assertNoGap, nameOf } from "./cursor.ts";
import type { LogBatch } from "./event-log.ts";
import { backoffMs, classifyFailure, describe } from "./failure.ts";

/** A partition that waits for a deployment looks again this often. */
const pausedMs = 30_000;
/** A gap that stays after this many looks is in the log itself. */
const maxGaps = 5;
/** So many tries without success are worth a mention. */
const mentionedTries = 3;

export interface Settlement {
  settle(batch: LogBatch, result: BatchResult): Promise<void>;
  /** After a failure: the same records come again, unless the consumer is stopped by it. */
  giveBack(batch: LogBatch, error: unknown): void;
  /** For good: going on would lose or misplace messages. */
  halt(error: unknown): void;
  halted(): string | undefined;
  problem(): string | undefined;
}

export function createSettlement({
  consumer,
  logger,
}: {
  readonly consumer: string;
  readonly logger: Logger;
}): Settlement {
  const tries = new Map<number, number>();
  const gaps = new Map<number, { readonly at: bigint; readonly count: number }>();
  const problems = new Map<number, string>();
  let halted: string | undefined;

  function halt(error: unknown): void {
    halted ??= describe(error);
    logger.error({ alarm: "consumer-stopped", err: error }, "consumer stopped; nothing is skipped");
  }

  async function settle(batch: LogBatch, result: BatchResult): Promise<void> {
    if (result.kind === "unknown") return pause(batch, result.error);
    if (result.kind === "gap") return lookAgain(batch, result.next);
    tries.delete(batch.partition);
    gaps.delete(batch.partition);
    problems.delete(batch.partition);
    const end = (batch.records.at(-1)?.offset ?? -1n) + 1n;
    if (result.next === end) await batch.done(end);
    else batch.seek(result.next);
  }

  /** A newer program wrote this: skipping it would lose it, parking it would block its key. */
  function pause(batch: LogBatch, error: Error): void {
    const problem = `${nameOf({ consumer, ...batch })} waits for a newer version: ${error.message}`;
    if (problems.get(batch.partition) !== problem) {
      logger.error({ alarm: "unknown-type", partition: batch.partition, err: error }, problem);
    }
    problems.set(batch.partition, problem);
    batch.retryAfter(pausedMs);
  }

  /** The log jumped, or the cursor was set back: read where the cursor says. */
  function lookAgain(batch: LogBatch, next: bigint): void {
    const place = { consumer, topic: batch.topic, partition: batch.partition };
    assertNoGap(place, next, batch.low);
    const before = gaps.get(batch.partition);
    const count = before?.at === next ? before.count + 1 : 1;
    gaps.set(batch.partition, { at: next, count });
    // Retention and jumps are excluded by now: a hole inside the log.
    if (count >= maxGaps) assertNoGap(place, next, batch.records[0]?.offset ?? next);
    logger.warn({ ...place, next: String(next) }, "read too far ahead; going back");
    batch.seek(next);
  }

  function giveBack(batch: LogBatch, error: unknown): void {
    if (classifyFailure(error) === "systemic") {
      halt(error);
      batch.retryAfter(pausedMs);
      return;
    }
    const tried = (tries.get(batch.partition) ?? 0) + 1;
    tries.set(batch.partition, tried);
    if (tried >= mentionedTries) {
      const where = nameOf({ consumer, ...batch });
      problems.set(batch.partition, `${where} was tried ${tried} times: ${describe(error)}`);
    }
    const delayMs = backoffMs(tried - 1);
    logger.warn({ partition: batch.partition, tried, delayMs, err: error }, "batch comes again");
    batch.retryAfter(delayMs);
  }

  return {
    settle,
    giveBack,
    halt,
    halted: () => halted,
    problem: () => halted ?? [...problems.values()][0],
  };
}
