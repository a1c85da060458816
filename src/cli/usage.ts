/** What can be known of a command's words before anything is asked: wrong ones end it with 2. */
import { HttpProblem } from "#platform/http/problem";
import { ExitError } from "./exit.ts";

export function wholeNumber(name: string, text: string, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0 && number <= most) return number;
  throw new ExitError(2, `${name}: expected a number from 1 to ${most}`);
}

/** The server's own rule, kept before it is asked. */
export function checked<T>(rule: () => T): T {
  try {
    return rule();
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw error;
    throw new ExitError(2, `${error.field ?? ""}: ${error.message}`);
  }
}

/** Of what is chosen by a filter, or by --all; what is named by ids is all meant. As bodies have it. */
export function limitIn(ids: readonly string[], text: string, most: number): string {
  if (ids.length > 0) throw new ExitError(2, "--limit: ids are named, and all of them are meant");
  return String(wholeNumber("--limit", text, most));
}
