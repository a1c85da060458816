/**
 * Brings the database's definitions to what this program knows: each module's files in order, in
 * one transaction per module, written down in platform.migration. Any number of processes may start
 * at once: one applies, the others wait and find it done. A database that holds more than this
 * program knows, or a file that changed after it was applied, is refused.
 */

import { SystemicError } from "../errors.ts";
import type { Database, Queryable } from "./database.ts";
import { SqlName } from "./database.ts";
import type { Migration } from "./migration-files.ts";

export interface ModuleMigrations {
  readonly name: string;
  readonly schema: string;
  /** Definitions shared by several schemas, applied before the module's own. */
  readonly templates?: readonly Migration[];
  readonly migrations: readonly Migration[];
}

export interface MigrationStep {
  readonly module: string;
  readonly name: string;
  /** The text as it runs: `{{schema}}` replaced. */
  readonly sql: string;
}

export interface MigrationStatus {
  readonly module: string;
  readonly name: string;
  /** changed: the file is not what was applied; unknown: applied by a newer program. */
  readonly state: "applied" | "pending" | "changed" | "unknown";
}

/** The database was migrated by a newer program, or a file was edited after it was applied. */
export class SchemaTooNew extends SystemicError {}

/** Any constant: it only has to be this program's own. */
const lockKey = 7_236_190_458n;
const retryMs = 100;
/** As long as the slowest sensible migration of another process. */
const patienceMs = 10 * 60_000;

/** Returns what was applied; with `dryRun` what would be. */
export async function migrate(
  db: Database,
  modules: readonly ModuleMigrations[],
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<readonly MigrationStep[]> {
  refuseNewer(await status(db, modules));
  const pending = await pendingSteps(db, modules);
  if (dryRun || pending.length === 0) return pending;
  const applied: MigrationStep[] = [];
  await locked(db, createTable);
  for (const module of modules) {
    applied.push(...(await locked(db, (tx) => applyModule(tx, module))));
  }
  return applied;
}

export async function status(
  db: Queryable,
  modules: readonly ModuleMigrations[],
): Promise<readonly MigrationStatus[]> {
  const applied = await appliedChecksums(db);
  const known = modules.flatMap(steps).map((step): MigrationStatus => {
    const checksum = applied.get(keyOf(step));
    applied.delete(keyOf(step));
    const state =
      checksum === undefined ? "pending" : checksum === checksumOf(step) ? "applied" : "changed";
    return { module: step.module, name: step.name, state };
  });
  const unknown = [...applied.keys()].map((key): MigrationStatus => {
    const [module = "", name = ""] = key.split("/");
    return { module, name, state: "unknown" };
  });
  return [...known, ...unknown];
}

function refuseNewer(found: readonly MigrationStatus[]): void {
  for (const { module, name, state } of found) {
    if (state === "unknown") {
      throw new SchemaTooNew(`the database is newer than this program: it holds ${module}/${name}`);
    }
    if (state === "changed") {
      throw new SchemaTooNew(`migration ${module}/${name} is not what was applied to the database`);
    }
  }
}

/**
 * Tries for the lock instead of waiting in the server: a wait would run into the statement's
 * time-out. It goes with the transaction, so a dead process cannot keep it.
 */
async function locked<T>(db: Database, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const until = performance.now() + patienceMs;
  while (performance.now() < until) {
    const done = await db.withTx(async (tx) => {
      const [lock] = await tx.sql<{
        taken: boolean;
      }>`SELECT pg_try_advisory_xact_lock(${lockKey}) AS taken`;
      return lock?.taken === true ? { result: await work(tx) } : undefined;
    });
    if (done !== undefined) return done.result;
    await Bun.sleep(retryMs);
  }
  throw new SystemicError("another process has been migrating the database for 10 minutes");
}

async function createTable(tx: Queryable): Promise<void> {
  await tx.script(`
    CREATE SCHEMA IF NOT EXISTS platform;
    CREATE TABLE IF NOT EXISTS platform.migration (
      module text NOT NULL,
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (module, name)
    )`);
}

async function applyModule(tx: Queryable, module: ModuleMigrations): Promise<MigrationStep[]> {
  const pending = await pendingSteps(tx, [module]);
  if (pending.length === 0) return [];
  // A large table's new index takes longer than a statement of daily work may.
  await tx.script("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0");
  await tx.script(`CREATE SCHEMA IF NOT EXISTS ${new SqlName(module.schema).text}`);
  for (const step of pending) {
    await tx.script(step.sql);
    await tx.sql`
      INSERT INTO platform.migration (module, name, checksum)
      VALUES (${step.module}, ${step.name}, ${checksumOf(step)})`;
  }
  return pending;
}

async function pendingSteps(
  db: Queryable,
  modules: readonly ModuleMigrations[],
): Promise<MigrationStep[]> {
  const applied = await appliedChecksums(db);
  return modules.flatMap(steps).filter((step) => !applied.has(keyOf(step)));
}

async function appliedChecksums(db: Queryable): Promise<Map<string, string>> {
  const [table] = await db.sql<{ there: boolean }>`
    SELECT to_regclass('platform.migration') IS NOT NULL AS there`;
  if (table?.there !== true) return new Map();
  const rows = await db.sql<{ module: string; name: string; checksum: string }>`
    SELECT module, name, checksum FROM platform.migration ORDER BY module, name`;
  return new Map(rows.map((row) => [keyOf(row), row.checksum]));
}

function steps({ name, schema, templates = [], migrations }: ModuleMigrations): MigrationStep[] {
  return [...templates, ...migrations].map((file) => ({
    module: name,
    name: file.name,
    sql: file.sql.replaceAll("\r\n", "\n").replaceAll("{{schema}}", schema),
  }));
}

function keyOf({ module, name }: { readonly module: string; readonly name: string }): string {
  return `${module}/${name}`;
}

function checksumOf({ sql }: MigrationStep): string {
  return new Bun.CryptoHasher("sha256").update(sql).digest("hex");
}
