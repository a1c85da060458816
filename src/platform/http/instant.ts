/** An instant out of a query, of a year the database knows too. */
import { HttpProblem } from "./problem.ts";

const year = /^[0-9]{4}-/;

/** Undefined when it is absent; HttpProblem 422 when it is none. */
export function instantOf(text: string | undefined, field: string): Date | undefined {
  if (text === undefined) return undefined;
  const instant = new Date(text);
  if (year.test(text) && !Number.isNaN(instant.getTime()) && instant.getUTCFullYear() > 0) {
    return instant;
  }
  throw new HttpProblem("INVALID_FIELD", "An instant such as 2030-01-31T00:00:00Z.", { field });
}
