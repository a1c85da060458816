/**
 * The kernel's own lock on a folder: it sees processes that cannot see each other, such as those of
 * two containers on one volume, and it goes with its process however that ends. SQLite's exclusive
 * transaction on an empty file is the portable way to it; the file stays, and stays empty.
 */
import { Database, SQLiteError } from "bun:sqlite";
import { join } from "node:path";
import { SystemicError } from "../errors.ts";

export interface FolderLock {
  release(): void;
}

/** `undefined` while anybody else has it, this process included. SystemicError when it cannot be written. */
export function lockFolder(dir: string): FolderLock | undefined {
  const file = openFile(dir);
  try {
    file.run("PRAGMA busy_timeout = 0");
    file.run("BEGIN EXCLUSIVE");
  } catch (error) {
    file.close();
    if (error instanceof SQLiteError && error.code === "SQLITE_BUSY") return undefined;
    throw error;
  }
  held.add(file);
  return {
    release: () => {
      if (held.delete(file)) file.close();
    },
  };
}

function openFile(dir: string): Database {
  try {
    return new Database(join(dir, "lock"), { create: true });
  } catch (error) {
    if (!(error instanceof SQLiteError)) throw error;
    const user = process.getuid?.() ?? "this user";
    throw new SystemicError(`data folder ${dir} cannot be written by user ${user}`, {
      cause: error,
    });
  }
}

/** Referenced from here, so that no lock goes with its garbage. */
const held = new Set<Database>();
