/**
 * A list may lag: looked up, an operation can show what an earlier attempt of its made and not yet
 * what the current one did. That attempt is over, so its object proves nothing of the one under way.
 */
import type { Claim } from "../calls/claim-operations.ts";
import type { Answer } from "../domain/conclude.ts";
import type { ProviderObjectRow } from "../schema.ts";

export interface Answered {
  readonly claim: Claim;
  readonly answer: Answer;
}

/** The answers, with an absence where a look-up showed no more than an earlier attempt's object. */
export function withoutEarlier(
  answers: readonly Answered[],
  known: ReadonlyMap<string, ProviderObjectRow>,
): readonly Answered[] {
  return answers.map((answered) => (isEarlier(answered, known) ? absent(answered) : answered));
}

function isEarlier(
  { claim: { row }, answer: { way, outcome } }: Answered,
  known: ReadonlyMap<string, ProviderObjectRow>,
): boolean {
  if (way !== "lookup" || outcome.kind !== "succeeded" || outcome.value === undefined) return false;
  const object = known.get(`${row.provider} ${outcome.value.objectId}`);
  if (object?.operation_id !== row.operation_id || object.attempt === null) return false;
  return object.attempt < row.attempt;
}

function absent({ claim, answer }: Answered): Answered {
  return { claim, answer: { ...answer, outcome: { kind: "succeeded", value: undefined } } };
}
