/**
 * What payments began and does not get done by itself: left to a person, or due for too long. One
 * sentence each; empty when all is well.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";

const most = 100;

export async function stuckWork(db: Database, clock: Clock, patienceMs: number): Promise<string[]> {
  const dueBefore = new Date(clock.now().getTime() - patienceMs);
  const leasedBefore = new Date(clock.wall().getTime() - patienceMs);
  const rows = await db.sql<{ what: string }>`
    SELECT 'operation ' || operation_id || ' of ' || escrow_id || ' waits for a person' AS what
    FROM payments.operation WHERE state = 'PERSON'
    UNION ALL
    SELECT 'operation ' || operation_id || ' of ' || escrow_id || ' is overdue'
    FROM payments.operation
    WHERE state IN ('READY', 'SENT', 'UNKNOWN', 'LOOKUP') AND due_at < ${dueBefore}
      AND (lease_until IS NULL OR lease_until < ${leasedBefore})
    UNION ALL
    SELECT 'object ' || object_id || ' of ' || provider || ' cannot be recorded: ' || problem
    FROM payments.provider_object WHERE problem <> ''
    UNION ALL
    SELECT 'object ' || object_id || ' of ' || provider || ' is overdue for a read'
    FROM payments.provider_object
    WHERE sync_due_at < ${dueBefore} AND (lease_until IS NULL OR lease_until < ${leasedBefore})
    ORDER BY what LIMIT ${most}`;
  return rows.map(({ what }) => what);
}
