/**
 * Exit codes, one table: 0 done, 1 unexpected, 2 usage, 3 configuration, 4 a dependency is
 * unreachable, 5 a check found something, 6 refused. A request that is refused ends with 6
 * whichever way it was asked; what is wrong before anything is asked is usage, 2.
 */
import { CommanderError } from "commander";
import { DataDirForeign, DataDirLocked } from "#platform/database/data-dir";
import { sqlState } from "#platform/database/database-error";
import { AddressError, SystemicError, TransientError } from "#platform/errors";
import { HttpProblem } from "#platform/http/problem";
import { ConfigError, ProductionRefused } from "../config.ts";

/** Ends the command with a code and one message. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function explain(error: unknown): { code: number; message: string } {
  if (error instanceof ExitError) return { code: error.code, message: error.message };
  // Whoever read our output has seen enough, as `head` has.
  if (error instanceof Error && "code" in error && error.code === "EPIPE") {
    return { code: 0, message: "" };
  }
  // Commander has printed its own words already; help and version end with 0.
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : 2, message: "" };
  if (error instanceof ConfigError) {
    return { code: 3, message: `wrong settings:\n${indent(error.message)}` };
  }
  if (error instanceof AddressError || error instanceof DataDirForeign) {
    return { code: 3, message: `wrong settings:\n  ${error.message}` };
  }
  if (error instanceof ProductionRefused) {
    return { code: 6, message: `refused for safety:\n${indent(error.message)}` };
  }
  if (error instanceof DataDirLocked) {
    const url = error.url ? ` at ${error.url}` : "";
    return {
      code: 6,
      message: `refused: ${error.message}${url}. Stop it, or choose another --data-dir.`,
    };
  }
  const folder = folderRefused(error);
  if (folder !== undefined) {
    return { code: 3, message: `wrong settings:\n  DATA_DIR: ${folder}` };
  }
  // A server's answer, or what it would have answered.
  if (error instanceof HttpProblem && error.status < 500) {
    return { code: 6, message: `refused: ${error.code} ${error.message}` };
  }
  if (error instanceof HttpProblem) {
    return { code: 4, message: `unreachable: ${error.code} ${error.message}` };
  }
  if (error instanceof SystemicError) return { code: 6, message: `refused: ${error.message}` };
  if (error instanceof TransientError) return { code: 4, message: `unreachable: ${error.message}` };
  if (error instanceof Error && noAdmission.test(sqlState(error) ?? "")) {
    return { code: 4, message: `unreachable: PostgreSQL: ${error.message}` };
  }
  return {
    code: 1,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}

/** What the system said when the data folder was to be made. */
function folderRefused(error: unknown): string | undefined {
  if (!(error instanceof Error && "code" in error && "path" in error && "syscall" in error)) {
    return undefined;
  }
  const { code, path, syscall } = error;
  const words = new Map<unknown, string>([
    ["EEXIST", "is a file; expected a folder"],
    ["ENOTDIR", "is a file; expected a folder"],
    ["ENOENT", "cannot be made there"],
    ["EACCES", "may not be written"],
    ["EPERM", "may not be written"],
    ["EROFS", "is on a disk that may only be read"],
  ]);
  const why = words.get(code);
  const asked = syscall === "mkdir" || syscall === "access";
  return asked && why !== undefined ? `"${path}" ${why}` : undefined;
}

/** SQLSTATE: wrong user or password, no such database, no connection left, still starting. */
const noAdmission = /^(28...|3D000|53300|57P03)$/;

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
