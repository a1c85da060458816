/**
 * Makes the calls that decisions opened, for one provider. The intention is committed before the
 * call, the call runs outside any transaction, the answer is committed with its postings and events:
 * killed at any line, the same key and bytes are sent again and one effect remains. A call that
 * hangs keeps its own escrow waiting, nobody else's.
 */
import { createBreaker } from "#platform/breaker";
import type { WakeableWorker } from "#platform/worker-loop";
import { askProvider } from "./ask-provider.ts";
import { type Claim, claimOperations } from "./claim-operations.ts";
import { createGather } from "./gather.ts";
import { recordOneByOne } from "./one-by-one.ts";
import type { PaymentProvider } from "./provider.ts";
import { type Answered, recordAnswers, setAnswerAside } from "./record-answers.ts";
import type { PaymentWorkerDeps } from "./worker-deps.ts";

/** Calls at one provider side by side. */
const maxCalls = 32;
/** So long a step waits for its calls; then it goes on beside those that are slow. */
const patienceMs = 200;

export function createOperations(
  deps: PaymentWorkerDeps,
  provider: PaymentProvider,
): WakeableWorker {
  const { db, clock, logger, outbox } = deps;
  const { name } = provider.describe();
  const breaker = createBreaker({ clock });
  const flying = new Set<Promise<void>>();
  let failure: { readonly reason: unknown } | undefined;

  const record = createGather<Answered>(async (answers) => {
    await recordOneByOne(answers, {
      record: (some) => db.withTx((tx) => recordAnswers(tx, some, deps)),
      setAside: (one, error) => db.withTx((tx) => setAnswerAside(tx, one, error, deps)),
    });
    outbox.wake();
  });

  /** Never rejects: what could not be recorded is claimed again when its lease ends. */
  async function call(claim: Claim): Promise<void> {
    try {
      const answer = await askProvider(provider, claim, deps);
      const before = breaker.state();
      if (answer.outcome.kind === "unknown") breaker.failed();
      else breaker.succeeded();
      const after = breaker.state();
      if (after !== before)
        logger.warn({ provider: name, breaker: after }, "the breaker has switched");
      await record({ claim, answer });
    } catch (reason) {
      failure ??= { reason };
    }
  }

  function fly(claim: Claim): Promise<void> {
    const flight = call(claim).finally(() => flying.delete(flight));
    flying.add(flight);
    return flight;
  }

  return {
    name: `payments.operations.${name}`,
    idleMs: 100,
    onWake: outbox.onWake,
    step: async () => {
      const limit = breaker.room(flying.size, maxCalls);
      const claims = limit > 0 ? await claimOperations(deps, { provider: name, limit }) : [];
      const done = new AbortController();
      const calls = Promise.all(claims.map(fly)).then(() => done.abort());
      await Promise.race([calls, clock.sleep(patienceMs, done.signal)]);
      const { reason } = failure ?? {};
      failure = undefined;
      if (reason !== undefined) throw reason;
      return claims.length > 0 ? "worked" : "idle";
    },
    stop: async () => {
      await Promise.all(flying);
    },
  };
}
