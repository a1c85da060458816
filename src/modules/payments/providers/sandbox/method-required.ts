/**
 * Whoever may play with a party is told what it lacks. The sandbox pays sellers who registered no
 * payout method, so that a first sale needs none; a bank, and a readiness to lose, need one.
 */
import { HttpProblem } from "#platform/http/problem";

export function methodRequired(partyId: string): HttpProblem {
  return new HttpProblem(
    "PAYOUT_METHOD_REQUIRED",
    `There is no payout method of ${partyId} at the sandbox: POST /v1/parties/${partyId}/payout-methods with {"provider":"sandbox"} makes one.`,
  );
}
