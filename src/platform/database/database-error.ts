/**
 * Tells the failures of a database apart by SQLSTATE, the same for both adapters, never by message.
 * An unknown failure is transient: a hiccup must not park a message.
 */
import { SystemicError, TerminalError } from "../errors.ts";

/**
 * permanent: the same work fails again, park it. conflict: a unique key was met, reload and run
 * again. systemic: this program and this database do not fit, stop. transient: try again later.
 */
export type DatabaseErrorClass = "permanent" | "conflict" | "systemic" | "transient";

const uniqueViolation = "23505";
/** not_null, foreign_key and check violations. */
const permanent = new Set(["23502", "23503", "23514"]);
/** Missing table, missing column, missing right: a wrong deployment, true for every message. */
const systemic = new Set(["42P01", "42703", "42501"]);

export function classifyDatabaseError(error: unknown): DatabaseErrorClass {
  for (const cause of causes(error)) {
    if (cause instanceof TerminalError) return "permanent";
    if (cause instanceof SystemicError) return "systemic";
  }
  const state = sqlState(error);
  if (state === undefined) return "transient";
  if (state === uniqueViolation) return "conflict";
  if (systemic.has(state)) return "systemic";
  if (state.startsWith("22") || permanent.has(state)) return "permanent";
  return "transient";
}

/**
 * What operators read, and letters are grouped by. Drivers name what a database refuses after a class of
 * theirs, which each compiled program calls otherwise.
 */
export function errorName(error: Error): string {
  const refused = "code" in error && error.code === sqlState(error) && error.code !== undefined;
  return refused ? "PostgresError" : error.name;
}

/** The five-letter SQLSTATE of an error or of the nearest cause that has one. */
export function sqlState(error: unknown): string | undefined {
  for (const cause of causes(error)) {
    const code: unknown = "code" in cause ? cause.code : undefined;
    // A digit tells it from names like EPIPE.
    if (typeof code === "string" && /^(?=.*\d)[0-9A-Z]{5}$/.test(code)) return code;
  }
  return undefined;
}

/** The constraint that was violated, when the database names one. */
export function violatedConstraint(error: unknown): string | undefined {
  for (const cause of causes(error)) {
    // postgres.js and PGlite name it differently.
    if ("constraint_name" in cause && typeof cause.constraint_name === "string") {
      return cause.constraint_name;
    }
    if ("constraint" in cause && typeof cause.constraint === "string") return cause.constraint;
  }
  return undefined;
}

/** The error and its causes, outermost first: the query builder wraps what the adapter throws. */
function causes(error: unknown): Error[] {
  const found: Error[] = [];
  let current = error;
  while (current instanceof Error && found.length < 8) {
    found.push(current);
    current = current.cause;
  }
  return found;
}
