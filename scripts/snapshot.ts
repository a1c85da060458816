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
    return await (stores.databases.platform as PgliteDatabase).dumpSnapshot();
  } finally {
    await stores.close();
  }
}
