/**
 * Tells when the embedded database cannot go on. After a full disk or a trap of its WebAssembly the
 * next call may never return, so nothing may be asked of it again; what was acknowledged is found
 * by the next start.
 */
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { SystemicError } from "../errors.ts";
import { sqlState } from "./database-error.ts";

const diskFull = "53100";
/** One segment of the write-ahead log: with less the database cannot even start. */
const neededBytes = 16 * 1024 * 1024;

/** The error to stop with, or undefined when only the statement failed. */
export function stoppedBy(error: unknown, location: string): SystemicError | undefined {
  const state = sqlState(error);
  const severity: unknown = error instanceof Error && "severity" in error ? error.severity : "";
  const fatal = severity === "PANIC" || severity === "FATAL";
  if (state !== undefined && state !== diskFull && !fatal) return undefined;
  const reason = error instanceof Error ? error.message : String(error);
  if (state === diskFull || isDiskFull(reason, location)) {
    return new SystemicError(`disk full: ${location}: free some space and start again`, {
      cause: error,
    });
  }
  return new SystemicError(`the embedded database has stopped: ${reason}`, { cause: error });
}

function isDiskFull(reason: string, location: string): boolean {
  if (/ENOSPC|no space left/i.test(reason)) return true;
  let folder = location;
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < neededBytes;
}
