/**
 * Who reads a provider's lists, and how far they were read: one process at a time, by a lease in
 * real time. What was read is read again with an overlap, because lists may lag.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";

export type ProviderTask = "reconcile" | "sweep";

export interface TaskClaim {
  readonly provider: string;
  readonly task: ProviderTask;
  /** Undefined: never before. */
  readonly doneUntil: Date | undefined;
  readonly leaseUntil: Date;
}

export interface ProviderTasks {
  /** Undefined when it is not due, or another is at it. `force`: due or not. */
  claim(provider: string, task: ProviderTask, force?: boolean): Promise<TaskClaim | undefined>;
  /** `doneUntil` undefined: the mark stays. */
  finish(claim: TaskClaim, done: { doneUntil?: Date; dueAt: Date }): Promise<void>;
  /** Whoever comes next may try at once after `dueAt`. */
  giveUp(claim: TaskClaim, dueAt: Date): Promise<void>;
}

/** Longer than the longest reading of a list takes; who outlives it has lost the task. */
const leaseMs = 10 * 60_000;

export function createProviderTasks({
  db,
  clock,
}: {
  readonly db: Database;
  readonly clock: Clock;
}): ProviderTasks {
  const leave = (claim: TaskClaim, dueAt: Date, doneUntil: Date | undefined) => db.sql`
    UPDATE payments.provider_task SET lease_until = NULL, due_at = ${dueAt},
      done_until = coalesce(${doneUntil ?? null}::timestamptz, done_until)
    WHERE provider = ${claim.provider} AND task = ${claim.task}
      AND lease_until = ${claim.leaseUntil}`;
  return {
    claim: async (provider, task, force = false) => {
      const wall = clock.wall();
      const now = clock.now();
      const leaseUntil = new Date(wall.getTime() + leaseMs);
      const [row] = await db.sql<{ done_until: Date | null }>`
        INSERT INTO payments.provider_task AS t (provider, task, due_at, lease_until)
        VALUES (${provider}, ${task}, ${now}, ${leaseUntil})
        ON CONFLICT (provider, task) DO UPDATE SET lease_until = excluded.lease_until
        WHERE (t.lease_until IS NULL OR t.lease_until < ${wall}::timestamptz)
          AND (${force}::boolean OR t.due_at <= ${now}::timestamptz)
        RETURNING done_until`;
      if (row === undefined) return undefined;
      return { provider, task, doneUntil: row.done_until ?? undefined, leaseUntil };
    },
    finish: async (claim, { doneUntil, dueAt }) => {
      await leave(claim, dueAt, doneUntil);
    },
    giveUp: async (claim, dueAt) => {
      await leave(claim, dueAt, undefined);
    },
  };
}
