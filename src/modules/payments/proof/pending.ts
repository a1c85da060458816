/** What payments still has to do of its own accord, for those who wait until the system is quiet. */
import type { Clock } from "#platform/clock";
import type { Database, Tx } from "#platform/database/database";
import type { Pending } from "#platform/module";
import { refundsToResume } from "../calls/resume-refunds.ts";
import { retransfersToResume } from "../calls/resume-retransfers.ts";

interface PendingRow {
  readonly what: string;
  readonly due: bigint;
  readonly next: Date | null;
}

/** Reads without a webhook's cause are left out of `nextDue`: nothing waits for them. */
export async function pendingWork(db: Database, clock: Clock): Promise<Pending> {
  const now = clock.now();
  // In one snapshot: what goes from one of them to another meanwhile is seen in one.
  const rows = await db.withTx((tx) => workIn(tx, now), { isolation: "repeatable read" });
  const times = rows.flatMap(({ next }) => (next === null ? [] : [next.getTime()]));
  return {
    due: rows.filter(({ due }) => due > 0n).map(({ what, due }) => `${due} ${what}`),
    nextDue: times.length === 0 ? undefined : new Date(Math.min(...times)),
  };
}

async function workIn(tx: Tx, now: Date): Promise<PendingRow[]> {
  const rows = await tx.sql<PendingRow>`
    SELECT 'operations' AS what, count(*) FILTER (WHERE due_at <= ${now}) AS due,
           min(due_at) FILTER (WHERE due_at > ${now}) AS next
    FROM payments.operation WHERE state IN ('READY', 'SENT', 'UNKNOWN', 'LOOKUP')
    UNION ALL
    SELECT 'reads', count(*), NULL FROM payments.provider_object WHERE sync_due_at <= ${now}
    UNION ALL
    SELECT 'confirmations', count(*) FILTER (WHERE next_at <= ${now}),
           min(next_at) FILTER (WHERE next_at > ${now})
    FROM sandbox.object WHERE next_at IS NOT NULL
    UNION ALL
    SELECT 'webhook deliveries', count(*) FILTER (WHERE due_at <= ${now}),
           min(due_at) FILTER (WHERE due_at > ${now})
    FROM sandbox.delivery
    UNION ALL
    SELECT 'holdings', count(*) FILTER (WHERE due_at <= ${now}),
           min(due_at) FILTER (WHERE due_at > ${now})
    FROM payments.holding WHERE due_at IS NOT NULL
    UNION ALL
    SELECT 'screenings', count(*) FILTER (WHERE due_at <= ${now}),
           min(due_at) FILTER (WHERE due_at > ${now})
    FROM payments.screening WHERE state = 'DUE'
    UNION ALL
    SELECT 'refund addresses to screen', count(*) FILTER (WHERE due_at <= ${now}),
           min(due_at) FILTER (WHERE due_at > ${now})
    FROM payments.refund_address WHERE status = 'PENDING'
    UNION ALL
    SELECT 'releases to resume', count(*), NULL FROM payments.payment p
    WHERE p.provider_waiting
      AND NOT EXISTS (SELECT FROM payments.provider_stop s WHERE s.provider = p.provider)
    UNION ALL
    SELECT 'readiness', count(*), NULL FROM payments.payment p
    JOIN payments.receiver r USING (escrow_id)
    WHERE p.seller_waiting AND r.status = 'READY'`;
  const toResume = {
    "refunds to resume": await refundsToResume(tx, null),
    "transfers to resume": await retransfersToResume(tx, null),
  };
  const resumed = Object.entries(toResume).map(([what, found]) => ({
    what,
    due: BigInt(found.length),
    next: null,
  }));
  return [...rows, ...resumed];
}
