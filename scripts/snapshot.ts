/**
 * Makes dist/snapshot/pgdata.tar.gz: an empty, migrated embedded database. A new data folder
 * unpacks it instead of running initdb and every migration, and starts in under a second.
 */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { silentLogger } from "#platform/logger";
import type { PgliteDatabase } from "#platform/pglite";
import { loadConfig } from "../src/config.ts";
import { openStores } from "../src/stores.ts";
import { root } from "./process.ts";

export async function writeSnapshot(path: string): Promise<void> {
  const config = loadConfig({ environment: { MEMORY: "true" } }, { serving: false });
  const stores = await openStores(config, silentLogger);
  try {
    await stores.migrate();
    const database = stores.databases.platform as PgliteDatabase;
    await mkdir(dirname(path), { recursive: true });
    await Bun.write(path, await database.dumpSnapshot());
  } finally {
    await stores.close();
  }
}

if (import.meta.main) await writeSnapshot(join(root, "dist", "snapshot", "pgdata.tar.gz"));
