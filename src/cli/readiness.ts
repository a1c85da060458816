/**
 * What /readyz asks: the databases, the log, and whether every worker of the role can work. Whoever
 * asks is told which part it is; why, with addresses, is a line of the log and `app doctor`'s to say.
 */

import type { EventLog } from "#platform/messaging/event-log";
import type { Health } from "#platform/workers/health";
import type { WorkerProblem } from "#platform/workers/supervisor";
import type { Databases } from "../stores.ts";

export interface ReadinessDeps {
  readonly health: Health;
  readonly databases: Databases;
  /** Undefined: not asked. */
  readonly log: EventLog | undefined;
  /** What keeps workers and listeners from working, as of now. */
  readonly problems: () => readonly WorkerProblem[];
}

export function registerChecks({ health, databases, log, problems }: ReadinessDeps): void {
  health.register("database", async () => {
    await Promise.all([...new Set(Object.values(databases))].map((db) => db.sql`SELECT 1`)).catch(
      unreachable,
    );
  });
  if (log !== undefined) health.register("log", () => log.ping().catch(unreachable));
  health.register("workers", async () => {
    const all = problems();
    if (all.length === 0) return;
    const names = new Set(all.map(({ name }) => name));
    const cause = all.map(({ name, problem }) => `${name}: ${problem}`).join("; ");
    throw new Error(`cannot work: ${[...names].join(", ")}`, { cause });
  });
}

function unreachable(cause: unknown): never {
  throw new Error("unreachable", { cause });
}
