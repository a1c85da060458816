/** `app migrate`: brings the databases to this version, or says what is missing. */

import { silentLogger } from "#platform/telemetry/logger";
import type { Config } from "../config.ts";
import { openStores } from "../stores.ts";
import { refuseHeldFolder, refuseMissingFolder } from "./data-folder.ts";
import { ExitError } from "./exit.ts";

export async function runMigrate(
  config: Config,
  action: string,
  { dryRun = false }: { dryRun?: boolean },
): Promise<void> {
  if (action !== "up" && action !== "status") {
    throw new ExitError(2, `unknown action "${action}": expected up or status`);
  }
  refuseHeldFolder(config);
  if (action === "status" || dryRun) refuseMissingFolder(config);
  const stores = await openStores(config, silentLogger);
  try {
    if (action === "status") {
      const pending = await stores.pending();
      for (const name of pending) process.stdout.write(`pending ${name}\n`);
      if (pending.length === 0) process.stdout.write("up to date\n");
      return;
    }
    const steps = await stores.migrate({ dryRun });
    for (const { module, name, sql } of steps) {
      process.stdout.write(
        dryRun ? `-- ${module}/${name}\n${sql}\n` : `applied ${module}/${name}\n`,
      );
    }
    if (steps.length === 0) process.stdout.write("nothing to do\n");
  } finally {
    await stores.close();
  }
}
