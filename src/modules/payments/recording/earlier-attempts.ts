/**
 * A list may lag: looked up, an operation can show what an earlier attempt of its made and not yet
 * what the current one did. That attempt is over, so its object proves nothing of the one under way.
 * Only where that one is absent for good is an earlier effect taken over: one effect, whatever the
 * attempt.
 */
import type { Claim } from "../calls/claim-operations.ts";
import type { Answer } from "../domain/conclude.ts";
import { keyOf } from "../domain/payment.ts";
import type { ProviderObjectRow } from "../schema.ts";

export interface Answered {
  readonly claim: Claim;
  readonly answer: Answer;
  /** Of the call. */
  readonly traceparent?: string | undefined;
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
  const { attemptKey = "", operationId, objectId, status } = outcome.value;
  const object = known.get(`${row.provider} ${objectId}`);
  const linked = object?.operation_id === row.operation_id && object.attempt !== null;
  if (linked && object.attempt < row.attempt) return true;
  const own = keyOf({ operationId: row.operation_id, attempt: row.attempt });
  // One that does not say is taken for what it was taken for before.
  if (attemptKey === "" || operationId !== row.operation_id || attemptKey === own) return false;
  // It came to light late. Looked for twice, the attempt under way made nothing itself.
  return status === "failed" || status === "cancelled" || row.lookups === 0;
}

function absent({ answer, ...rest }: Answered): Answered {
  return { ...rest, answer: { ...answer, outcome: { kind: "succeeded", value: undefined } } };
}
