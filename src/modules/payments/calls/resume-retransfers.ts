/**
 * What is owed to a seller and was refused because his account could not take it starts again once
 * he has one that can: under a new key, since the refusal proves that the old one did nothing, and
 * to the account he has then. A scan, not a signal: whichever commits last, both are seen.
 */
import type { WakeableWorker } from "#platform/worker-loop";
import { nextAttempt } from "../domain/calls.ts";
import { isLocked } from "../domain/payment.ts";
import { createJournal } from "../journal.ts";
import { operationOf } from "../schema.ts";
import { loadOperations, lockRoots } from "../store.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";

const batch = 50;

export function createRetransferResumption({
  db,
  clock,
  outbox,
}: PaymentWorkerDeps): WakeableWorker {
  return {
    name: "payments.resume-retransfers",
    idleMs: 1_000,
    onWake: outbox.onWake,
    step: async () => {
      const waiting = await db.sql<{ operation_id: string; escrow_id: string }>`
        SELECT o.operation_id, o.escrow_id FROM payments.operation o
        JOIN payments.payment p USING (escrow_no)
        JOIN payments.receiver r ON r.escrow_id = o.escrow_id
        WHERE o.kind = 'RETRANSFER' AND o.state = 'FAILED' AND o.code = 'SELLER_NOT_READY'
          AND r.status = 'READY' AND NOT p.frozen AND NOT p.sanctioned
        LIMIT ${batch}`;
      if (waiting.length === 0) return "idle";
      await db.withTx(async (tx) => {
        const now = clock.now();
        const roots = await lockRoots(
          tx,
          waiting.map(({ escrow_id }) => escrow_id),
        );
        const rows = await loadOperations(
          tx,
          waiting.map(({ operation_id }) => operation_id),
        );
        const journal = createJournal({ now });
        for (const { operation_id, escrow_id } of waiting) {
          const [root, row] = [roots.get(escrow_id), rows.get(operation_id)];
          if (root === undefined || row === undefined || isLocked(root.payment)) continue;
          if (row.state !== "FAILED" || row.code !== "SELLER_NOT_READY") continue;
          const cause = { correlationId: row.correlation_id, causationId: operation_id };
          const operation = nextAttempt(operationOf(row), now);
          journal.apply(root, [{ case: "moved", operation }], cause);
        }
        await journal.write(tx);
        await outbox.enqueue(tx, journal.outgoing);
      });
      outbox.wake();
      return "worked";
    },
  };
}
