/** Databases for tests: each test file gets its own, on a scratch server or in memory. */
import { randomBytes } from "node:crypto";
import { existsSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "#platform/database/database";
import { openPglite, type PgliteDatabase } from "#platform/database/pglite";
import { openPostgres } from "#platform/database/postgres";

export interface FreshPostgres {
  readonly url: string;
  drop(): Promise<void>;
}

export interface FreshDatabase {
  readonly db: Database;
  drop(): Promise<void>;
}

/** The scratch server's URL; its user may create databases and end other sessions. */
export function serverUrl(): string {
  const url = process.env.DATABASE_URL;
  if (url === undefined) throw new Error("DATABASE_URL is not set: run the tests with `npm test`");
  return url;
}

/** Runs statements on the scratch server itself, beside the database under test. */
export async function onServer<T>(work: (server: Database) => Promise<T>): Promise<T> {
  const server = openPostgres({
    url: serverUrl(),
    max: 1,
    applicationName: "test-admin",
    statementTimeoutMs: 60_000,
    deadlineMs: 61_000,
  });
  try {
    return await work(server);
  } finally {
    await server.close();
  }
}

export async function freshPostgres(): Promise<FreshPostgres> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  await onServer((server) => server.script(`CREATE DATABASE ${name} TEMPLATE template0`));
  const url = new URL(serverUrl());
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => onServer((server) => server.script(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

export async function freshPglite(): Promise<PgliteDatabase> {
  return openPglite({ snapshot: emptySnapshot });
}

/** Both adapters of the Database port, for suites that hold for each of them. */
export const adapters: readonly { readonly name: string; open(): Promise<FreshDatabase> }[] = [
  {
    name: "PGlite",
    open: async () => {
      const db = await freshPglite();
      return { db, drop: () => db.close() };
    },
  },
  {
    name: "PostgreSQL",
    open: async () => {
      const { url, drop } = await freshPostgres();
      const db = openPostgres({ url, max: 8, applicationName: "test" });
      return {
        db,
        drop: async () => {
          await db.close();
          await drop();
        },
      };
    },
  },
];

/** initdb takes seconds, a copy of its result a fraction of one: made once per machine. */
async function emptySnapshot(): Promise<Blob> {
  const path = join(tmpdir(), "app-test-pglite-0.5.16.tar");
  if (!existsSync(path)) {
    const db = await openPglite();
    const draft = `${path}.${process.pid}`;
    await Bun.write(draft, await db.dumpSnapshot());
    await db.close();
    renameSync(draft, path);
  }
  return Bun.file(path);
}

/** The error that the promise rejects with; fails when it does not. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("expected a rejection");
}
