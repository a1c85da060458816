/** What /readyz asks: the databases, the log, and whether every worker of the role can work. */

import type { Health } from "#platform/health";
import type { EventLog } from "#platform/messaging/event-log";
import type { Supervisor } from "#platform/supervisor";
import type { Databases } from "../stores.ts";

export interface ReadinessDeps {
  readonly health: Health;
  readonly databases: Databases;
  readonly log: EventLog;
  readonly supervisor: Supervisor;
}

export function registerChecks({ health, databases, log, supervisor }: ReadinessDeps): void {
  health.register("database", async () => {
    await Promise.all([...new Set(Object.values(databases))].map((db) => db.sql`SELECT 1`)).catch(
      () => {
        throw new Error("unreachable");
      },
    );
  });
  health.register("log", () =>
    log.ping().catch(() => {
      throw new Error("unreachable");
    }),
  );
  health.register("workers", async () => {
    const problems = supervisor.problems().map(({ name, problem }) => `${name}: ${problem}`);
    if (problems.length > 0) throw new Error(problems.join("; "));
  });
}
