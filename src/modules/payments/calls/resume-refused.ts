/**
 * Operations that were refused for the want of somewhere to send the money start again once there is
 * such a place: under a new key, since the refusal proves that the old one did nothing, and not while
 * the provider says that an earlier one did. A scan, not a signal: whichever of "the place is there"
 * and "it was refused" commits last, both are seen.
 */
import type { Tx } from "#platform/database/database";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { nextAttempt } from "../domain/calls.ts";
import { isLocked } from "../domain/payment.ts";
import { createJournal } from "../journal.ts";
import { type OperationRow, operationOf } from "../schema.ts";
import { loadContradicted, loadOperations, lockRoots } from "../store.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";

export interface Refused {
  readonly operation_id: string;
  readonly escrow_id: string;
}

export interface ResumptionOptions<R extends Refused> {
  readonly deps: PaymentWorkerDeps;
  readonly name: string;
  /** The refusal; asked again under the lock. */
  readonly code: string;
  /** At most `limit` that could start again, by what stands in the tables now. */
  readonly find: (limit: number) => Promise<readonly R[]>;
  /** Sends it elsewhere, where the place is part of the request. */
  readonly redirect?: (tx: Tx, row: OperationRow, refused: R) => Promise<void>;
}

const batch = 50;

export function createResumption<R extends Refused>(options: ResumptionOptions<R>): WakeableWorker {
  const { name, find } = options;
  const { db, outbox } = options.deps;
  return {
    name,
    idleMs: 1_000,
    onWake: outbox.onWake,
    step: async () => {
      const waiting = await find(batch);
      if (waiting.length === 0) return "idle";
      await db.withTx((tx) => resume(tx, options, waiting));
      outbox.wake();
      return "worked";
    },
  };
}

async function resume<R extends Refused>(
  tx: Tx,
  { deps, code, redirect }: ResumptionOptions<R>,
  waiting: readonly R[],
): Promise<void> {
  const now = deps.clock.now();
  const roots = await lockRoots(
    tx,
    waiting.map(({ escrow_id }) => escrow_id),
  );
  const operationIds = waiting.map(({ operation_id }) => operation_id);
  const rows = await loadOperations(tx, operationIds);
  const contradicted = await loadContradicted(tx, operationIds);
  const journal = createJournal({ now });
  for (const refused of waiting) {
    const { operation_id, escrow_id } = refused;
    const [root, row] = [roots.get(escrow_id), rows.get(operation_id)];
    if (root === undefined || row === undefined || isLocked(root.payment)) continue;
    if (row.state !== "FAILED" || row.code !== code || contradicted.has(operation_id)) continue;
    const { correlation_id: correlationId, traceparent } = row;
    const cause = { correlationId, causationId: operation_id, traceparent };
    const operation = nextAttempt(operationOf(row), now);
    journal.apply(root, [{ case: "moved", operation }], cause);
    await redirect?.(tx, row, refused);
  }
  await journal.write(tx);
  await deps.outbox.enqueue(tx, journal.outgoing);
}
