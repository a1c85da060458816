/**
 * Makes a copy of an empty, migrated embedded database. A new data folder unpacks it instead of
 * running initdb and every migration, and starts in under a second.
 */

import type { PgliteDatabase } from "#platform/database/pglite";
import { silentLogger } from "#platform/telemetry/logger";
import { loadConfig } from "../src/config.ts";
import { openStores } from "../src/stores.ts";

export async function makeSnapshot(): Promise<Blob> {
  const config = loadConfig({ environment: { MEMORY: "true" } }, { serving: false });
  const stores = await openStores(config, silentLogger);
  try {
    await stores.migrate();
    const database = stores.databases.platform as PgliteDatabase;
    await dropTemplates(database);
    return await database.dumpSnapshot();
  } finally {
    await stores.close();
  }
}

/** What other databases would be copies of: nobody makes one here, and each is 300 files of 7 MB. */
async function dropTemplates({ script }: PgliteDatabase): Promise<void> {
  await script("UPDATE pg_database SET datistemplate = false WHERE datistemplate");
  await script("DROP DATABASE template0");
  await script("DROP DATABASE template1");
  await script("CHECKPOINT");
}
