/**
 * Makes the calls that decisions opened, for one provider. The intention is committed before the
 * call, the call runs outside any transaction, the answer is committed with its postings and events:
 * killed at any line, the same key and bytes are sent again and one effect remains. A call that
 * hangs keeps its own escrow waiting, nobody else's.
 */
import { createBreaker } from "#platform/breaker";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import type { Answer } from "../domain/conclude.ts";
import type { PaymentProvider } from "../provider.ts";
import type { Answered } from "../recording/earlier-attempts.ts";
import { createGather } from "../recording/gather.ts";
import { recordOneByOne } from "../recording/one-by-one.ts";
import { recordAnswers, setAnswerAside } from "../recording/record-answers.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { askTraced } from "./call-spans.ts";
import { type Claim, claimOperations } from "./claim-operations.ts";
import { createFlights } from "./flights.ts";

/** Calls at one provider side by side. */
const maxCalls = 32;

export function createOperations(
  deps: PaymentWorkerDeps,
  provider: PaymentProvider,
): WakeableWorker {
  const { db, clock, logger, outbox } = deps;
  const { name } = provider.describe();
  const breaker = createBreaker({ clock });
  deps.figures?.watch(name, breaker);
  const flights = createFlights({ clock });

  const record = createGather<Answered>(async (answers) => {
    await recordOneByOne(answers, {
      record: (some) => db.withTx((tx) => recordAnswers(tx, some, deps)),
      setAside: (one, error) => db.withTx((tx) => setAnswerAside(tx, one, error, deps)),
    });
    outbox.wake();
  });

  /** What could not be recorded is claimed again when its lease ends: same key, same bytes. */
  async function call(claim: Claim): Promise<void> {
    const answered = await askTraced(provider, claim, deps);
    const { answer } = answered;
    deps.figures?.called(claim.row, answer);
    const before = breaker.state();
    if (isFailure(answer)) breaker.failed();
    else breaker.succeeded();
    const after = breaker.state();
    if (after !== before) logger.warn({ provider: name, breaker: after }, "the breaker switched");
    await record(answered);
  }

  return {
    name: `payments.operations.${name}`,
    idleMs: 250,
    onWake: outbox.onWake,
    step: async () => {
      const limit = breaker.room(flights.underWay, maxCalls);
      const claims = limit > 0 ? await claimOperations(deps, { provider: name, limit }) : [];
      await flights.start(claims.map((claim) => () => call(claim)));
      return claims.length > 0 ? "worked" : "idle";
    },
    stop: flights.landed,
  };
}

function isFailure({ outcome }: Answer): boolean {
  return outcome.kind === "unknown" || (outcome.kind === "retry" && outcome.outOfOrder === true);
}
