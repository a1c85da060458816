/**
 * Refunds that failed because their buyer had no address start again once he has one: under a new
 * key, since the refusal proves that the old one did nothing. A scan, not a signal: whichever of
 * "the address is there" and "the refund was refused" commits last, both are seen.
 */
import type { WakeableWorker } from "#platform/worker-loop";
import { nextAttempt } from "../domain/calls.ts";
import { isLocked } from "../domain/payment.ts";
import { createJournal } from "../journal.ts";
import { aimed } from "../parties/refund-targets.ts";
import { operationOf, requestIn } from "../schema.ts";
import { loadOperations, lockRoots } from "../store.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";

const batch = 50;

export function createRefundResumption({ db, clock, outbox }: PaymentWorkerDeps): WakeableWorker {
  return {
    name: "payments.resume-refunds",
    idleMs: 1_000,
    onWake: outbox.onWake,
    step: async () => {
      const waiting = await db.sql<{ operation_id: string; escrow_id: string; address: string }>`
        SELECT o.operation_id, o.escrow_id, a.address FROM payments.operation o
        JOIN payments.payment p USING (escrow_no)
        JOIN payments.refund_address a ON a.party_id = p.buyer_id AND a.provider = o.provider
        WHERE o.state = 'FAILED' AND o.code = 'REFUND_ADDRESS_REQUIRED' AND a.status = 'READY'
          AND NOT p.frozen AND NOT p.sanctioned
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
        for (const { operation_id, escrow_id, address } of waiting) {
          const [root, row] = [roots.get(escrow_id), rows.get(operation_id)];
          if (root === undefined || row === undefined || isLocked(root.payment)) continue;
          if (row.state !== "FAILED" || row.code !== "REFUND_ADDRESS_REQUIRED") continue;
          const { correlation_id: correlationId, traceparent } = row;
          const cause = { correlationId, causationId: operation_id, traceparent };
          const operation = nextAttempt(operationOf(row), now);
          journal.apply(root, [{ case: "moved", operation }], cause);
          const { target, params, body_hash } = aimed(requestIn(row), address);
          await tx.sql`
            UPDATE payments.operation
            SET target = ${target}, params = ${params}::bytea, body_hash = ${body_hash}
            WHERE operation_id = ${operation_id}`;
        }
        await journal.write(tx);
        await outbox.enqueue(tx, journal.outgoing);
      });
      outbox.wake();
      return "worked";
    },
  };
}
