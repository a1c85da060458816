/** The letters of all modules as one list: by filter, by name, and grouped by cause. Changes nothing. */
import type { LetterRequest } from "#gen/platform/v1/operations_pb";
import type { Clock } from "#platform/clock";
import {
  groupLetters,
  type Letter,
  type LetterFilter,
  type LetterGroup,
  type LetterPlace,
  listLetters,
  openLetter,
} from "#platform/messaging/dead-letters/letters";
import { type Databases, type MessagingSchema, messagingSchemas } from "../stores.ts";
import { schemaOf } from "./letter-id.ts";
import { selectionOf } from "./selection.ts";

const usualLimit = 1_000;

export async function perSchema<T>(
  read: (schema: MessagingSchema) => Promise<readonly T[]>,
): Promise<T[]> {
  const found: T[] = [];
  for (const schema of messagingSchemas) found.push(...(await read(schema)));
  return found;
}

/** Oldest first. */
export async function lettersLike(
  databases: Databases,
  filter: LetterFilter,
  limit: number,
): Promise<Letter[]> {
  const found = await perSchema((schema) => listLetters(databases[schema], schema, filter, limit));
  return found
    .sort((a, b) => a.firstFailedAt.getTime() - b.firstFailedAt.getTime())
    .slice(0, limit);
}

export async function lettersAt(
  databases: Databases,
  places: readonly LetterPlace[],
): Promise<readonly Letter[]> {
  const found: Letter[] = [];
  for (const place of places) {
    const schema = schemaOf(place.consumer);
    const letter = schema && (await openLetter(databases[schema], schema, place));
    if (letter !== undefined) found.push(letter);
  }
  return found;
}

export interface SelectedLetters {
  readonly letters: readonly Letter[];
  /** With those that are gone. */
  readonly asked: number;
}

export async function selectLetters(
  databases: Databases,
  clock: Pick<Clock, "wall">,
  request: LetterRequest,
): Promise<SelectedLetters> {
  const selection = selectionOf(request, clock);
  if (selection.kind === "places") {
    const letters = await lettersAt(databases, selection.places);
    return { letters, asked: selection.places.length };
  }
  const letters = await lettersLike(databases, selection.filter, request.limit || usualLimit);
  return { letters, asked: letters.length };
}

/** The largest first; one cause may strike readers of several modules. */
export async function groupsLike(
  databases: Databases,
  filter: LetterFilter,
): Promise<LetterGroup[]> {
  const byPrint = new Map<string, LetterGroup>();
  for (const group of await perSchema((schema) =>
    groupLetters(databases[schema], schema, filter),
  )) {
    const other = byPrint.get(group.fingerprint);
    byPrint.set(group.fingerprint, other === undefined ? group : joined(other, group));
  }
  return [...byPrint.values()].sort((a, b) => b.letters - a.letters);
}

function joined(one: LetterGroup, other: LetterGroup): LetterGroup {
  return {
    ...one,
    letters: one.letters + other.letters,
    dead: one.dead + other.dead,
    consumers: [...new Set([...one.consumers, ...other.consumers])],
    firstFailedAt: earlier(one.firstFailedAt, other.firstFailedAt),
    failedAt: one.failedAt < other.failedAt ? other.failedAt : one.failedAt,
  };
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}
