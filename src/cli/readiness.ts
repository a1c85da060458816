/** What /readyz asks: the databases, the log, and whether every worker of the role can work. */

import type { Health } from "#platform/health";
import type { EventLog } from "#platform/messaging/event-log";
import type { WorkerProblem } from "#platform/supervisor";
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
      () => {
        throw new Error("unreachable");
      },
    );
  });
  if (log !== undefined) {
    health.register("log", () =>
      log.ping().catch((error: unknown) => {
        throw new Error(`unreachable: ${error instanceof Error ? error.message : String(error)}`);
      }),
    );
  }
  health.register("workers", async () => {
    const told = problems().map(({ name, problem }) => `${name}: ${problem}`);
    if (told.length > 0) throw new Error(told.join("; "));
  });
}
