/** What an operator wants tried again: each letter once, spread over time, in the order of its key. */
import type { LetterRequest } from "#gen/platform/v1/operations_pb";
import type { Clock } from "#platform/clock";
import { personOf } from "#platform/http/approvals";
import { HttpProblem } from "#platform/http/problem";
import { mostAttempts, replayLetters } from "#platform/messaging/dead-letters/letter-actions";
import type { Principal } from "#platform/module";
import type { Databases } from "../stores.ts";
import { perSchema, selectLetters } from "./find-letters.ts";
import { letterId, schemaOf } from "./letter-id.ts";

export interface Replayed {
  readonly status: "replaying" | "dry_run";
  readonly letters: number;
  readonly ids: readonly string[];
  /** Until the last of them is tried. */
  readonly seconds: number;
  /** Gone meanwhile, or tried too often already. */
  readonly leftOut: number;
}

export interface ReplayOptions {
  readonly databases: Databases;
  readonly clock: Pick<Clock, "wall">;
}

const usualRate = 10;

export async function replay(
  { databases, clock }: ReplayOptions,
  request: LetterRequest,
  operator: Principal,
): Promise<Replayed> {
  const rate = rateOf(request.ratePerSecond);
  const { letters, asked } = await selectLetters(databases, clock, request);
  const fit = letters.filter(({ attempts }) => attempts < mostAttempts);
  const seconds = Math.max(0, fit.length - 1) / rate;
  if (request.dryRun) {
    const leftOut = asked - fit.length;
    return { status: "dry_run", letters: fit.length, ids: fit.map(letterId), seconds, leftOut };
  }
  const replays = fit.map((letter, n) => ({
    place: letter,
    key: letter.key,
    delayMs: (n * 1_000) / rate,
  }));
  const act = { askedBy: personOf(operator), reason: request.reason };
  const done = await perSchema((schema) => {
    const own = replays.filter(({ place }) => schemaOf(place.consumer) === schema);
    return replayLetters(databases[schema], schema, own, act);
  });
  const leftOut = asked - done.length;
  return { status: "replaying", letters: done.length, ids: done.map(letterId), seconds, leftOut };
}

function rateOf(text: string): number {
  const rate = text === "" ? usualRate : Number(text);
  if (rate > 0) return rate;
  throw new HttpProblem("INVALID_FIELD", "A rate above 0.", { field: "ratePerSecond" });
}
