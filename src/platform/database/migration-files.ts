/**
 * Reads migrations/MODULE/NNNN_name.sql and the shared migrations/_name.sql, from the repository or
 * from inside the compiled binary, where the folder is embedded under its own name.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export interface MigrationFiles {
  /** By module, in the order of their numbers. */
  readonly modules: ReadonlyMap<string, readonly Migration[]>;
  /** Shared definitions with a `{{schema}}` placeholder, in the order of their names. */
  readonly templates: readonly Migration[];
}

const fileName = /^[0-9]{4}_[a-z0-9_]+\.sql$/;
const templateName = /^_[a-z0-9_]+\.sql$/;

export async function loadMigrations(folder = migrationsFolder()): Promise<MigrationFiles> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const modules = new Map<string, readonly Migration[]>();
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    modules.set(name, await load(join(folder, name), await readdir(join(folder, name)), fileName));
  }
  return { modules, templates: await load(folder, files, templateName) };
}

async function load(folder: string, names: readonly string[], form: RegExp): Promise<Migration[]> {
  const stray = names.find((name) => name.endsWith(".sql") && !form.test(name));
  if (stray !== undefined) throw new Error(`not a migration's name: ${join(folder, stray)}`);
  const wanted = names.filter((name) => form.test(name)).sort();
  return Promise.all(
    wanted.map(async (name) => ({
      name: name.slice(0, -".sql".length),
      sql: await readFile(join(folder, name), "utf8"),
    })),
  );
}

function migrationsFolder(): string {
  const embedded = join(import.meta.dir, "migrations");
  return existsSync(embedded) ? embedded : join(import.meta.dir, "..", "..", "..", "migrations");
}
