/** Migrations on both databases: applied once whoever starts, refused when they do not fit. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "#platform/database/database";
import { type ModuleMigrations, migrate, SchemaTooNew, status } from "#platform/database/migrate";
import { loadMigrations } from "#platform/database/migration-files";
import { openPostgres } from "#platform/database/postgres";
import { adapters, failure, freshPostgres } from "../support/databases.ts";

const OPEN_MS = 60_000;

const escrow: ModuleMigrations = {
  name: "escrow",
  schema: "escrow",
  templates: [{ name: "_shared", sql: "CREATE TABLE {{schema}}.cursor (next bigint);" }],
  migrations: [
    {
      name: "0001_start",
      sql: "CREATE TABLE escrow.deal (id int); INSERT INTO escrow.deal VALUES (1);",
    },
    { name: "0002_more", sql: "ALTER TABLE escrow.deal ADD COLUMN note text;" },
  ],
};
const payments: ModuleMigrations = {
  name: "payments",
  schema: "payments",
  templates: escrow.templates ?? [],
  migrations: [{ name: "0001_start", sql: "CREATE TABLE payments.account (id int);" }],
};
const everything = [
  "escrow/_shared",
  "escrow/0001_start",
  "escrow/0002_more",
  "payments/_shared",
  "payments/0001_start",
];

const names = (steps: readonly { module: string; name: string }[]): string[] =>
  steps.map(({ module, name }) => `${module}/${name}`);

describe.each([...adapters])("migrations by $name", ({ open }) => {
  let db: Database;
  let drop: () => Promise<void>;
  beforeEach(async () => {
    ({ db, drop } = await open());
  }, OPEN_MS);
  afterEach(() => drop(), OPEN_MS);

  test("are applied in order, once, shared definitions in every schema", async () => {
    expect(names(await migrate(db, [escrow, payments]))).toEqual(everything);
    expect(await migrate(db, [escrow, payments])).toEqual([]);
    expect(await db.sql`SELECT id, note FROM escrow.deal`).toEqual([{ id: 1, note: null }]);
    expect(await db.sql`SELECT next FROM escrow.cursor, payments.account`).toEqual([]);
    expect(await db.sql`SELECT next FROM payments.cursor`).toEqual([]);
  });

  test("that came later are added to what is there", async () => {
    const [first] = escrow.migrations;
    if (first === undefined) throw new Error("no migration");
    await migrate(db, [{ ...escrow, migrations: [first] }]);
    expect(names(await migrate(db, [escrow, payments]))).toEqual([
      "escrow/0002_more",
      "payments/_shared",
      "payments/0001_start",
    ]);
  });

  test("of a dry run are told, with their text, and not applied", async () => {
    const steps = await migrate(db, [escrow, payments], { dryRun: true });
    expect(names(steps)).toEqual(everything);
    expect(steps[0]?.sql).toBe("CREATE TABLE escrow.cursor (next bigint);");
    expect(names(await status(db, [escrow]))).toEqual(everything.slice(0, 3));
    expect((await status(db, [escrow])).map(({ state }) => state)).toEqual([
      "pending",
      "pending",
      "pending",
    ]);
    expect(await db.sql`SELECT to_regclass('escrow.deal') AS t`).toEqual([{ t: null }]);
  });

  test("of a module are applied whole or not at all", async () => {
    const broken = { name: "0003_broken", sql: "CREATE TABLE escrow.half (id int); SELECT oops;" };
    const modules = [{ ...escrow, migrations: [...escrow.migrations, broken] }];
    expect((await failure(migrate(db, modules))).message).toContain("oops");
    expect(await db.sql`SELECT to_regclass('escrow.deal') AS t`).toEqual([{ t: null }]);
    expect(names(await migrate(db, [escrow]))).toEqual(everything.slice(0, 3));
  });

  test("of a newer program make this one refuse", async () => {
    await migrate(db, [escrow, payments]);
    const older = [{ ...escrow, migrations: escrow.migrations.slice(0, 1) }, payments];
    const error = await failure(migrate(db, older));
    expect(error).toBeInstanceOf(SchemaTooNew);
    expect(error.message).toContain("escrow/0002_more");
    expect(await failure(migrate(db, [escrow]))).toBeInstanceOf(SchemaTooNew);
    expect(await failure(migrate(db, older, { dryRun: true }))).toBeInstanceOf(SchemaTooNew);
    expect((await status(db, older)).at(-1)).toEqual({
      module: "escrow",
      name: "0002_more",
      state: "unknown",
    });
  });

  test("that were edited after they were applied are refused", async () => {
    await migrate(db, [escrow]);
    const [first, ...others] = escrow.migrations;
    const edited = { name: first?.name ?? "", sql: `${first?.sql} -- edited` };
    const error = await failure(migrate(db, [{ ...escrow, migrations: [edited, ...others] }]));
    expect(error).toBeInstanceOf(SchemaTooNew);
    expect(error.message).toContain("escrow/0001_start");
  });

  test("with the line ends of another system are the same", async () => {
    const [first] = escrow.migrations;
    const lines = { name: "0001_lines", sql: `${first?.sql}\n-- end\n` };
    await migrate(db, [{ ...escrow, migrations: [lines] }]);
    const windows = { ...lines, sql: lines.sql.replaceAll("\n", "\r\n") };
    expect(await migrate(db, [{ ...escrow, migrations: [windows] }])).toEqual([]);
  });
});

test(
  "six processes that start at once apply each migration once",
  async () => {
    const { url, drop } = await freshPostgres();
    const slow = { name: "0003_slow", sql: "SELECT pg_sleep(0.5);" };
    const modules = [{ ...escrow, migrations: [...escrow.migrations, slow] }, payments];
    const pools = Array.from({ length: 6 }, () => openPostgres({ url, max: 1 }));
    const applied = await Promise.all(pools.map((db) => migrate(db, modules)));
    expect(names(applied.flat()).sort()).toEqual([...everything, "escrow/0003_slow"].sort());
    const counts = await Promise.all(
      pools.map((db) => db.sql`SELECT count(*) AS n FROM escrow.deal`),
    );
    expect(counts).toEqual(pools.map(() => [{ n: 1n }]));
    await Promise.all(pools.map((db) => db.close()));
    await drop();
  },
  OPEN_MS,
);

describe("migration files", () => {
  const folder = (): string => mkdtempSync(join(tmpdir(), "migrations-"));

  test("of this repository load, in order, and apply", async () => {
    const { modules, templates } = await loadMigrations();
    expect(templates.map(({ name }) => name)).toContain("_messaging");
    expect(modules.get("escrow")?.[0]?.name).toStartWith("0001_");
    expect(modules.get("escrow")?.[0]?.sql).toContain("CREATE");
  });

  test("come in the order of their numbers, other files are left alone", async () => {
    const root = folder();
    mkdirSync(join(root, "escrow"));
    writeFileSync(join(root, "escrow", "0010_b.sql"), "b");
    writeFileSync(join(root, "escrow", "0002_a.sql"), "a");
    writeFileSync(join(root, "escrow", "README.md"), "");
    writeFileSync(join(root, "_shared.sql"), "s");
    const { modules, templates } = await loadMigrations(root);
    expect(modules.get("escrow")).toEqual([
      { name: "0002_a", sql: "a" },
      { name: "0010_b", sql: "b" },
    ]);
    expect(templates).toEqual([{ name: "_shared", sql: "s" }]);
  });

  test("with a name that would be skipped are an error", async () => {
    const root = folder();
    mkdirSync(join(root, "escrow"));
    writeFileSync(join(root, "escrow", "1_typo.sql"), "");
    expect((await failure(loadMigrations(root))).message).toContain("1_typo.sql");
  });
});
