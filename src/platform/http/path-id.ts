/** Ids out of paths and queries. */
import { notFound } from "./problem.ts";

/** Of a party, which is the subject of a token. */
export const partyPattern = /^[A-Za-z0-9_.@:-]{1,128}$/;
const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** What cannot be an id is told apart from an unknown one by nobody. */
export function idOf(text: string | undefined): string {
  if (text === undefined || !idPattern.test(text)) throw notFound();
  return text;
}
