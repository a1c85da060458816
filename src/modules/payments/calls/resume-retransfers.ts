/**
 * What is owed to a seller and was refused because his account could not take it starts again once
 * he has one that can, and goes to the account he has then.
 */
import type { Queryable } from "#platform/database/database";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { createResumption, type Refused } from "./resume-refused.ts";

export function createRetransferResumption(deps: PaymentWorkerDeps): WakeableWorker {
  return createResumption({
    deps,
    name: "payments.resume-retransfers",
    code: "SELLER_NOT_READY",
    find: (limit) => retransfersToResume(deps.db, limit),
  });
}

/** Without a limit all of them: whoever waits until nothing is left to do asks the same. */
export function retransfersToResume(db: Queryable, limit: number | null): Promise<Refused[]> {
  return db.sql<Refused>`
    SELECT o.operation_id, o.escrow_id FROM payments.operation o
    JOIN payments.payment p USING (escrow_no)
    JOIN payments.receiver r ON r.escrow_id = o.escrow_id
    WHERE o.kind = 'RETRANSFER' AND o.state = 'FAILED' AND o.code = 'SELLER_NOT_READY'
      AND r.status = 'READY' AND NOT p.frozen AND NOT p.sanctioned
      AND NOT EXISTS (
        SELECT FROM payments.provider_object c
        WHERE c.operation_id = o.operation_id AND c.problem <> '')
    LIMIT ${limit}::bigint`;
}
