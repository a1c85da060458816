/**
 * One process per data folder: the embedded database takes no lock of its own, and a second process
 * on the same folder would silently lose what one of them wrote. The kernel's lock keeps out whoever
 * runs on this machine, other containers too; a file in the folder names the owner, and keeps out by
 * its process id where a file system knows no locks. A file whose owner is gone is taken over. Two
 * machines on one network disk are not kept apart.
 */
import { randomUUID } from "node:crypto";
import {
  accessSync,
  constants,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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

/** There are files in the folder, and none is ours: what lies there is somebody else's business. */
export class DataDirForeign extends Error {
  override readonly name = "DataDirForeign";
  constructor(dir: string, file: string) {
    super(
      `DATA_DIR: "${dir}" has files of something else in it, such as ${file}; ` +
        "expected a new or empty folder, or one this program has made",
    );
  }
}

const maxAttempts = 100;
/** Three seconds: what the system takes to bury a large process, and others to write their name. */
const maxFolderAttempts = 60;
const pauseMs = 50;

/**
 * Takes the folder (made when missing) or throws DataDirLocked, DataDirForeign. Not the database's own
 * folder: that one starts empty.
 */
export async function lockDataDir(
  dir: string,
  info: { readonly url?: string } = {},
): Promise<DataDirLock> {
  mkdirSync(dir, { recursive: true });
  refuseForeign(dir);
  const folder = await takeFolder(dir);
  try {
    return await takeFile(dir, info, folder);
  } catch (error) {
    folder.release();
    throw error;
  }
}

/**
 * Whoever has just taken the folder writes its name a moment later, and who was killed keeps the
 * kernel's lock until the system has cleared it away: only an owner that lives refuses at once.
 */
async function takeFolder(dir: string): Promise<FolderLock> {
  for (let attempt = 0; attempt < maxFolderAttempts; attempt += 1) {
    const folder = lockFolder(dir);
    if (folder !== undefined) return folder;
    const owner = read(lockPath(dir));
    if (owner !== undefined && isAlive(owner)) throw new DataDirLocked(dir, owner);
    await Bun.sleep(pauseMs);
  }
  // Out of our sight, in another container.
  throw new DataDirLocked(dir, read(lockPath(dir)) ?? { pid: 0 });
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

/** Throws as a start would where the folder can be neither made nor written; leaves nothing behind. */
export function assertDataDirWritable(dir: string): void {
  const made = mkdirSync(dir, { recursive: true });
  if (made !== undefined) {
    rmSync(made, { recursive: true });
    return;
  }
  accessSync(dir, constants.W_OK);
  refuseForeign(dir);
}

function refuseForeign(dir: string): void {
  const file = foreignFile(dir);
  if (file !== undefined) throw new DataDirForeign(dir, file);
}

/** As a start leaves them, however early it was killed: locks, secrets, the database and its draft. */
const ours = /^(lock|lock-journal|lock\.json.*|secrets\.json.*|pg|pg\.unpacking)$/;
/** What a disk and its tools put into an empty folder. */
const nobodys = /^(\..*|lost\+found)$/;

/** One of the files of a folder that is not ours. */
export function foreignFile(dir: string): string | undefined {
  const names = namesIn(dir).filter((name) => !nobodys.test(name));
  return names.some((name) => ours.test(name)) ? undefined : names[0];
}

/** Whoever may not look into it is told so by the lock. */
function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
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
  const now = processOf(pid);
  if (now?.ending) return false;
  if (start !== undefined && now !== undefined) return start === now.start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function startOf(pid: number): string | undefined {
  return processOf(pid)?.start;
}

/** The kernel's PF_EXITING. */
const exiting = 0x4;

/**
 * Out of /proc/PID/stat, whose second field, the command, may hold spaces and brackets. The third is
 * the state (Z: dead, and not yet asked for by its parent), the ninth flags, the 22nd counts from boot.
 */
function processOf(pid: number): { readonly start: string; readonly ending: boolean } | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const dead = fields[0] === "Z" || fields[0] === "X";
    return { start: `${boot}:${fields[19]}`, ending: dead || (Number(fields[6]) & exiting) !== 0 };
  } catch {
    return undefined;
  }
}
