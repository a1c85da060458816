/** From a request to the letters it means. Nothing is meant by saying nothing. */
import type { LetterFilter as FilterMessage, LetterRequest } from "#gen/platform/v1/operations_pb";
import { parseDuration } from "#kernel/duration";
import type { Clock } from "#platform/clock";
import { instantOf } from "#platform/http/instant";
import { HttpProblem } from "#platform/http/problem";
import type { LetterFilter, LetterPlace } from "#platform/messaging/dead-letters/letters";
import { placeOf } from "./letter-id.ts";

type FilterFields = Partial<Record<Exclude<keyof FilterMessage, `$${string}`>, string>>;

export type Selection =
  | { readonly kind: "places"; readonly places: readonly LetterPlace[] }
  | { readonly kind: "filter"; readonly filter: LetterFilter };

export const mostListed = 1_000;

/** Throws HttpProblem where it selects nothing, or in two ways. */
export function selectionOf(
  { ids, filter, all }: Pick<LetterRequest, "ids" | "filter" | "all">,
  clock: Pick<Clock, "wall">,
): Selection {
  const wanted = filterOf(filter ?? {}, clock);
  const filtered = Object.values(wanted).some((value) => value !== undefined);
  if (ids.length > 0 ? filtered || all : filtered && all) {
    throw new HttpProblem("INVALID_FIELD", "Select by ids, or by a filter, or all.", {
      field: "all",
    });
  }
  if (ids.length > 0) return { kind: "places", places: ids.map(placeIn) };
  if (filtered || all) return { kind: "filter", filter: wanted };
  throw new HttpProblem("INVALID_FIELD", "Name letters by their ids, a filter, or say all.", {
    field: "ids",
  });
}

function placeIn(id: string): LetterPlace {
  const place = placeOf(id);
  if (place !== undefined) return place;
  throw new HttpProblem("INVALID_FIELD", `"${id.slice(0, 100)}" is no letter's id.`, {
    field: "ids",
  });
}

/** What is empty or absent does not restrict. */
export function filterOf(given: FilterFields, clock: Pick<Clock, "wall">): LetterFilter {
  const { since, type, topic, key, consumer, cause, state, fingerprint } = given;
  if (state && state !== "dead" && state !== "waiting") {
    throw new HttpProblem("INVALID_FIELD", "A letter is dead or waiting.", { field: "state" });
  }
  return {
    type: type || undefined,
    since: since ? sinceOf(since, clock) : undefined,
    topic: topic || undefined,
    key: key || undefined,
    consumer: consumer || undefined,
    cause: cause || undefined,
    state: state || undefined,
    fingerprint: fingerprint || undefined,
  };
}

function sinceOf(text: string, clock: Pick<Clock, "wall">): Date | undefined {
  const ago = parseDuration(text);
  if (ago !== undefined) return new Date(clock.wall().getTime() - Number(ago));
  try {
    return instantOf(text, "since");
  } catch (cause) {
    if (!(cause instanceof HttpProblem)) throw cause;
    const detail = "An instant such as 2030-01-31T00:00:00Z, or a duration such as PT1H.";
    throw new HttpProblem(cause.code, detail, { field: "since", cause });
  }
}
