/**
 * Tells each escrow whose release waits for its seller that he can receive now. A scan, not a
 * signal: whichever of "he became ready" and "a release was refused" commits last, both are seen.
 */
import { create } from "@bufbuild/protobuf";
import { SellerReadinessChangedSchema } from "#gen/payments/v1/events_pb";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { say } from "../domain/effect.ts";
import { createJournal } from "../journal.ts";
import { lockRoots } from "../store.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";

const batch = 100;

export function createReadiness({ db, clock, outbox }: PaymentWorkerDeps): WakeableWorker {
  return {
    name: "payments.readiness",
    idleMs: 500,
    onWake: outbox.onWake,
    step: async () => {
      const waiting = await db.sql<{ escrow_id: string }>`
        SELECT p.escrow_id FROM payments.payment p
        JOIN payments.receiver r USING (escrow_id)
        WHERE p.seller_waiting AND r.status = 'READY' LIMIT ${batch}`;
      if (waiting.length === 0) return "idle";
      await db.withTx(async (tx) => {
        const roots = await lockRoots(
          tx,
          waiting.map(({ escrow_id }) => escrow_id),
        );
        const journal = createJournal({ now: clock.now() });
        for (const root of roots.values()) {
          const { sellerId, sellerWaiting } = root.payment;
          if (!sellerWaiting) continue;
          const value = create(SellerReadinessChangedSchema, { sellerId, ready: true });
          const cause = { correlationId: `readiness:${sellerId}`, causationId: sellerId };
          journal.apply(
            root,
            [
              { case: "set", fields: { sellerWaiting: false } },
              say({ case: "sellerReadinessChanged", value }),
            ],
            cause,
          );
        }
        await journal.write(tx);
        await outbox.enqueue(tx, journal.outgoing);
      });
      outbox.wake();
      return "worked";
    },
  };
}
