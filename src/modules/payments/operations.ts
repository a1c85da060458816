/**
 * Makes the provider calls that decisions opened. The intention is committed before the call, the
 * call runs outside any transaction, the answer is committed with its postings and events: killed
 * at any line, the same key and bytes are sent again and one effect remains.
 */
import type { WakeableWorker } from "#platform/worker-loop";
import { askProvider } from "./ask-provider.ts";
import { claimOperations } from "./claim-operations.ts";
import { createGather } from "./gather.ts";
import { recordOneByOne } from "./one-by-one.ts";
import { type Answered, recordAnswers, setAnswerAside } from "./record-answers.ts";
import type { PaymentWorkerDeps } from "./worker-deps.ts";

export function createOperations(deps: PaymentWorkerDeps): WakeableWorker {
  const { db, logger, outbox } = deps;
  return {
    name: "payments.operations",
    idleMs: 100,
    lanes: 2,
    onWake: outbox.onWake,
    step: async () => {
      const claims = await claimOperations(deps);
      const record = createGather<Answered>(async (answers) => {
        await recordOneByOne(answers, {
          record: (some) => db.withTx((tx) => recordAnswers(tx, some, deps)),
          setAside: (one, error) => db.withTx((tx) => setAnswerAside(tx, one, error, deps)),
        });
        outbox.wake();
      });
      const results = await Promise.allSettled(
        claims.map(async (claim) => record({ claim, answer: await askProvider(claim, deps) })),
      );
      const failed = results.find((result) => result.status === "rejected");
      // What could not be recorded is claimed again when its lease ends: same key, same bytes.
      if (failed !== undefined) throw failed.reason;
      if (claims.length > 0) logger.debug({ calls: claims.length }, "provider calls made");
      return claims.length > 0 ? "worked" : "idle";
    },
  };
}
