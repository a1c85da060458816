/**
 * What a stopped provider means for operations that were accepted before: none leaves that was not
 * sent. What the stop found unsent is looked up first, because books that were restored from a
 * backup may have forgotten the sending; what is proved unsent goes on, and a transfer goes back to
 * the decision it came from. When the provider is resumed the escrows that wait are told.
 */

import { create } from "@bufbuild/protobuf";
import { ReleasesResumedSchema } from "#gen/payments/v1/events_pb";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { lookUpNow } from "../domain/calls.ts";
import { type Effect, say } from "../domain/effect.ts";
import { transferUndone } from "../domain/observe.ts";
import { createJournal, type Root } from "../journal.ts";
import { type OperationRow, operationOf } from "../schema.ts";
import { lockRoots } from "../store.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";

const batch = 100;
const waitMs = 3_600_000;

export function createStoppedLine(deps: PaymentWorkerDeps): WakeableWorker {
  return {
    name: "payments.stopped-line",
    idleMs: 500,
    onWake: deps.outbox.onWake,
    step: async () => {
      const held = await holdBack(deps);
      const told = await tellResumed(deps);
      if (held + told === 0) return "idle";
      deps.outbox.wake();
      return "worked";
    },
  };
}

interface HeldRow extends OperationRow {
  /** It was there, unsent, when the provider was stopped. */
  readonly doubtful: boolean;
}

async function holdBack({ db, clock, outbox }: PaymentWorkerDeps): Promise<number> {
  const [some] = await db.sql`SELECT provider FROM payments.provider_stop LIMIT 1`;
  if (some === undefined) return 0;
  const now = clock.now();
  const unsent = await db.sql<{ operation_id: string; escrow_id: string }>`
    SELECT o.operation_id, o.escrow_id FROM payments.operation o
    JOIN payments.provider_stop s ON s.provider = o.provider
    WHERE o.state = 'READY' AND o.tries = 0
      AND (o.kind = 'TRANSFER' OR (o.kind = 'RETRANSFER' AND o.due_at <= ${now})
        OR (o.kind <> 'CANCEL_PAYMENT' AND o.updated_at < s.stopped_at))
    LIMIT ${batch}`;
  if (unsent.length === 0) return 0;
  await db.withTx(async (tx) => {
    const roots = await lockRoots(
      tx,
      unsent.map(({ escrow_id }) => escrow_id),
    );
    // Read again under the locks: it may have been sent or withdrawn, the provider resumed.
    const rows = await tx.sql<HeldRow>`
      SELECT o.*, o.updated_at < s.stopped_at AS doubtful FROM payments.operation o
      JOIN payments.provider_stop s ON s.provider = o.provider
      WHERE o.operation_id = ANY(${unsent.map(({ operation_id }) => operation_id)}::text[])
        AND o.state = 'READY' AND o.tries = 0 AND o.lease_until IS NULL
      ORDER BY o.escrow_no, o.number`;
    const journal = createJournal({ now });
    for (const row of rows) {
      const root = roots.get(row.escrow_id);
      if (root === undefined) continue;
      const { correlation_id: correlationId, operation_id: causationId, traceparent } = row;
      const cause = { correlationId, causationId, traceparent };
      journal.apply(root, heldEffects(root, row, now), cause);
    }
    await journal.write(tx);
    await outbox.enqueue(tx, journal.outgoing);
  });
  return unsent.length;
}

function heldEffects({ payment }: Root, row: HeldRow, now: Date): readonly Effect[] {
  const operation = operationOf(row);
  if (!row.doubtful && operation.kind === "TRANSFER") {
    return transferUndone(payment, operation, "PROVIDER_STOPPED");
  }
  if (!row.doubtful) {
    // What is owed to a seller has no decision to go back to: it waits.
    return [
      { case: "moved", operation: { ...operation, dueAt: new Date(now.getTime() + waitMs) } },
    ];
  }
  return [{ case: "moved", operation: lookUpNow(operation, now) }];
}

async function tellResumed({ db, clock, outbox }: PaymentWorkerDeps): Promise<number> {
  const waiting = await db.sql<{ escrow_id: string }>`
    SELECT escrow_id FROM payments.payment p
    WHERE provider_waiting
      AND NOT EXISTS (SELECT FROM payments.provider_stop s WHERE s.provider = p.provider)
    LIMIT ${batch}`;
  if (waiting.length === 0) return 0;
  await db.withTx(async (tx) => {
    const journal = createJournal({ now: clock.now() });
    const roots = await lockRoots(
      tx,
      waiting.map(({ escrow_id }) => escrow_id),
    );
    for (const root of roots.values()) {
      const { provider, providerWaiting } = root.payment;
      if (!providerWaiting) continue;
      const value = create(ReleasesResumedSchema, { provider });
      const cause = { correlationId: `resumed:${provider}`, causationId: provider };
      journal.apply(
        root,
        [
          { case: "set", fields: { providerWaiting: false } },
          say({ case: "releasesResumed", value }),
        ],
        cause,
      );
    }
    await journal.write(tx);
    await outbox.enqueue(tx, journal.outgoing);
  });
  return waiting.length;
}
