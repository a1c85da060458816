/**
 * One process per data folder: the embedded database takes no lock of its own, and a second process
 * on the same folder would silently lose what one of them wrote. The kernel's lock keeps out whoever
 * runs on this machine, other containers too; a file in the folder names the owner, and keeps out by
 * its process id where a file system knows no locks. A file whose owner is gone is taken over. Two
 * machines on one network disk are not kept apart.
 */
import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FolderLock, lockFolder } from "./folder-lock.ts";

export interface DataDirOwner {
  readonly pid: number;
  /** Where the owner answers, once it does. */
  readonly url?: string;
}

interface LockFile extends DataDirOwner {
  /** Tells a process from a later one with the same id: boot and start tick, where the system says. */
  readonly start?: string;
  /** Whose file this is, even within one process. */
  readonly token: string;
}

export interface DataDirLock {
  update(info: { readonly url: string }): void;
  release(): void;
}

export class DataDirLocked extends Error {
  override readonly name = "DataDirLocked";
  readonly pid: number;
  readonly url: string | undefined;
  constructor(dir: string, owner: DataDirOwner) {
    super(`data folder ${dir} is in use by process ${owner.pid}`);
    this.pid = owner.pid;
    this.url = owner.url;
  }
}

const maxAttempts = 100;
const maxNameAttempts = 20;
const pauseMs = 50;

/** Takes the folder (made when missing) or throws DataDirLocked. Not the database's own folder: that one starts empty. */
export async function lockDataDir(
  dir: string,
  info: { readonly url?: string } = {},
): Promise<DataDirLock> {
  mkdirSync(dir, { recursive: true });
  const folder = lockFolder(dir);
  if (folder === undefined) throw new DataDirLocked(dir, await nameOwner(dir));
  try {
    return await takeFile(dir, info, folder);
  } catch (error) {
    folder.release();
    throw error;
  }
}

/** Whoever has just taken the folder writes its name a moment later. */
async function nameOwner(dir: string): Promise<DataDirOwner> {
  for (let attempt = 0; attempt < maxNameAttempts; attempt += 1) {
    const owner = read(lockPath(dir));
    if (owner !== undefined && isAlive(owner)) return owner;
    await Bun.sleep(pauseMs);
  }
  // Out of our sight, in another container.
  return read(lockPath(dir)) ?? { pid: 0 };
}

async function takeFile(
  dir: string,
  info: { readonly url?: string },
  folder: FolderLock,
): Promise<DataDirLock> {
  const start = startOf(process.pid);
  const mine: LockFile = {
    pid: process.pid,
    ...(start === undefined ? {} : { start }),
    ...info,
    token: randomUUID(),
  };
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    if (claim(lockPath(dir), mine)) return createLock(dir, mine, folder);
    const owner = read(lockPath(dir));
    if (owner === undefined) continue;
    if (isAlive(owner)) throw new DataDirLocked(dir, owner);
    if (!removeStale(dir, mine)) await Bun.sleep(pauseMs);
  }
  throw new Error(
    `data folder ${dir}: its stale lock could not be taken over, remove ${lockPath(dir)}`,
  );
}

/** Who holds the folder now, when that process lives. */
export function dataDirOwner(dir: string): DataDirOwner | undefined {
  const owner = read(lockPath(dir));
  return owner !== undefined && isAlive(owner) ? owner : undefined;
}

function lockPath(dir: string): string {
  return join(dir, "lock.json");
}

/** A link appears whole or not at all, so nobody reads half a lock file. */
function claim(path: string, mine: LockFile): boolean {
  const draft = `${path}.${mine.token}`;
  writeFileSync(draft, JSON.stringify(mine));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Only who holds the second file may remove a stale lock, and judges it again before: otherwise a
 * slow process would remove the lock that a quicker one has just taken.
 */
function removeStale(dir: string, mine: LockFile): boolean {
  const takeover = `${lockPath(dir)}.takeover`;
  if (!claim(takeover, mine)) {
    const other = read(takeover);
    if (other !== undefined && !isAlive(other)) rmSync(takeover, { force: true });
    return false;
  }
  try {
    const owner = read(lockPath(dir));
    if (owner !== undefined && !isAlive(owner)) rmSync(lockPath(dir), { force: true });
    return true;
  } finally {
    rmSync(takeover, { force: true });
  }
}

function createLock(dir: string, mine: LockFile, folder: FolderLock): DataDirLock {
  const path = lockPath(dir);
  held.add(mine.token);
  return {
    update: (info) => {
      const draft = `${path}.${mine.token}`;
      writeFileSync(draft, JSON.stringify({ ...mine, ...info }));
      renameSync(draft, path);
    },
    release: () => {
      held.delete(mine.token);
      if (read(path)?.token === mine.token) rmSync(path, { force: true });
      folder.release();
    },
  };
}

/** This process's own locks: a file with its id that is not among them is a leftover. */
const held = new Set<string>();

function read(path: string): LockFile | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    const { pid, token, start, url } = JSON.parse(text);
    return { pid: Number(pid), token: String(token), start, url };
  } catch {
    // Not one of ours, or damaged: owned by nobody.
    return { pid: 0, token: "" };
  }
}

function isAlive({ pid, start, token }: LockFile): boolean {
  if (pid === process.pid) return held.has(token);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  const now = startOf(pid);
  if (start !== undefined && now !== undefined) return start === now;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Field 22 of /proc/PID/stat counts from boot; the command before it may hold spaces and brackets. */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return `${boot}:${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return undefined;
  }
}
