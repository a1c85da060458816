/**
 * Waiting for a command's outcome: everybody who waits in this process is served by one poll of the
 * outcomes, so that a thousand waiters cost one query per tick.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { CommandOutcome, Outcomes } from "#platform/http/outcomes";

const tickMs = 25;

interface Waiter {
  readonly commandId: string;
  readonly settle: (outcome: CommandOutcome | undefined) => void;
}

export interface OutcomePoller extends Pick<Outcomes, "find" | "wait"> {
  close(): void;
}

export function createOutcomePoller({ db, clock }: { db: Database; clock: Clock }): OutcomePoller {
  const waiting = new Set<Waiter>();
  let polling = false;
  let closed = false;

  async function poll(): Promise<void> {
    polling = true;
    while (waiting.size > 0 && !closed) {
      // A failing poll leaves its waiters to their deadline: the command itself is not in doubt.
      const found = await readOutcomes(
        db,
        [...waiting].map((w) => w.commandId),
      ).catch(() => []);
      for (const outcome of found) {
        for (const waiter of waiting) {
          if (waiter.commandId === outcome.commandId) waiter.settle(outcome);
        }
      }
      if (waiting.size > 0) await clock.sleep(tickMs);
    }
    polling = false;
  }

  return {
    async find(commandId) {
      const [outcome] = await readOutcomes(db, [commandId]);
      return outcome;
    },
    wait(commandId, deadlineMs) {
      return new Promise((resolve) => {
        const abort = new AbortController();
        const waiter: Waiter = {
          commandId,
          settle(outcome) {
            waiting.delete(waiter);
            abort.abort();
            resolve(outcome);
          },
        };
        waiting.add(waiter);
        void clock.sleep(deadlineMs, abort.signal).then(
          () => waiter.settle(undefined),
          () => undefined,
        );
        if (!polling) void poll();
      });
    },
    close() {
      closed = true;
      for (const waiter of [...waiting]) waiter.settle(undefined);
    },
  };
}

async function readOutcomes(
  db: Database,
  commandIds: readonly string[],
): Promise<CommandOutcome[]> {
  const rows = await db.sql<{
    command_id: string;
    escrow_id: string;
    fingerprint: string;
    status: "succeeded" | "rejected";
    code: string;
    detail: string;
    event_ids: string[];
    version: bigint;
  }>`
    SELECT command_id, escrow_id, fingerprint, status, code, detail, event_ids, version
    FROM projections.command_outcome
    WHERE command_id = ANY(${[...new Set(commandIds)]}::text[]) AND status <> 'pending'`;
  return rows.map((row) => ({
    commandId: row.command_id,
    escrowId: row.escrow_id,
    fingerprint: row.fingerprint,
    status: row.status,
    code: row.code,
    detail: row.detail,
    eventIds: row.event_ids,
    version: row.version,
  }));
}
