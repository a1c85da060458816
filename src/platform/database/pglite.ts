/**
 * The embedded adapter: PGlite, which is PostgreSQL in this process on one connection. Calls queue
 * behind each other and behind the running transaction. It never syncs to the disk: what was
 * acknowledged survives the death of the process, not the loss of power, and only one process may
 * have the folder open (see data-dir.ts).
 */
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import type { Database } from "./database.ts";
import { embeddedFile } from "./embedded-files.ts";
import { refuseInsideTx } from "./inside-tx.ts";
import { stoppedBy } from "./pglite-failure.ts";
import { createPgliteSession, type PgliteSession } from "./pglite-session.ts";
import { createQueryable } from "./queryable.ts";
import { runTransaction } from "./transaction.ts";

export interface PgliteOptions {
  /** The folder, made when missing; without it the data lives in memory and ends with the process. */
  readonly dataDir?: string;
  /** A new folder starts from this copy, a tar (see dumpSnapshot), instead of running initdb. */
  readonly snapshot?: () => Promise<Blob>;
}

export interface PgliteDatabase extends Database {
  readonly kind: "pglite";
  /** A copy of the whole folder, a tar, for the build to embed. */
  dumpSnapshot(): Promise<Blob>;
}

export async function openPglite({
  dataDir,
  snapshot,
}: PgliteOptions = {}): Promise<PgliteDatabase> {
  const location = dataDir ?? "memory";
  const fresh = dataDir === undefined || !existsSync(join(dataDir, "PG_VERSION"));
  const compiling = compile("pglite.wasm");
  const copy = fresh ? await snapshot?.() : undefined;
  if (copy !== undefined && dataDir !== undefined) await unpack(copy, dataDir);
  const pg = await PGlite.create({
    ...(dataDir !== undefined && { dataDir }),
    ...(dataDir === undefined && copy !== undefined && { loadDataDir: copy }),
    pgliteWasmModule: await compiling,
    // Compiling it takes as long as opening a folder that is there.
    ...(fresh && copy === undefined && { initdbWasmModule: await compile("initdb.wasm") }),
    fsBundle: await postgresFile("pglite.data"),
  }).catch((error: unknown) => {
    throw stoppedBy(error, location) ?? error;
  });
  const session = createPgliteSession(pg, location);
  await session.script("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'");
  return createDatabase(pg, session, location);
}

/** What the compiled program needs of the package; only a folder made without a snapshot needs more. */
export const postgresFiles = ["pglite.wasm", "pglite.data"] as const;

/** Where the package has a file; the build packs those above. */
export function postgresFilePath(name: string): string {
  return Bun.resolveSync(`@electric-sql/pglite/${name}`, import.meta.dir);
}

async function postgresFile(name: string): Promise<Blob> {
  const embedded = await embeddedFile(name)?.();
  return embedded ?? Bun.file(postgresFilePath(name));
}

/** Whole or not at all: a start that is killed here begins anew. */
async function unpack(snapshot: Blob, dataDir: string): Promise<void> {
  const draft = `${dataDir}.unpacking`;
  await rm(draft, { recursive: true, force: true });
  await new Bun.Archive(await snapshot.bytes()).extract(draft);
  // Refused where the folder has contents: whatever they are, they are not ours to remove.
  await rename(draft, dataDir);
}

async function compile(name: string): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await (await postgresFile(name)).arrayBuffer());
}

function createDatabase(pg: PGlite, session: PgliteSession, location: string): PgliteDatabase {
  const exclusive = createQueue();
  const inTurn = <T>(what: string, work: () => Promise<T>): Promise<T> => {
    refuseInsideTx(what);
    return exclusive(work);
  };
  return {
    kind: "pglite",
    location,
    ...createQueryable({
      run: async (query) => inTurn("Database.sql", () => session.run(query)),
      script: async (text) => {
        await inTurn("Database.script", () => session.script(text));
      },
    }),
    withTx: async (work, options) =>
      inTurn("Database.withTx", () => runTransaction(session, work, options)),
    dumpSnapshot: async () => inTurn("dumpSnapshot", () => pg.dumpDataDir("none")),
    close: async () => {
      // One that has stopped may never answer again; the next start recovers.
      if (pg.closed || session.stopped()) return;
      // The checkpoint spares the next start the replay of the write-ahead log.
      await inTurn("Database.close", () => session.script("CHECKPOINT"));
      await exclusive(() => pg.close());
    },
  };
}

/** Runs one piece of work after the other, in the order of the calls. */
function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}
