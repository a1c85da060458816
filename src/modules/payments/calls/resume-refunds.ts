/** Refunds that failed because their buyer had no address start again once he has one, and go there. */
import type { Queryable } from "#platform/database/database";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { aimed } from "../parties/refund-targets.ts";
import { requestIn } from "../schema.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { createResumption, type Refused } from "./resume-refused.ts";

interface RefusedRefund extends Refused {
  readonly address: string;
}

export function createRefundResumption(deps: PaymentWorkerDeps): WakeableWorker {
  return createResumption({
    deps,
    name: "payments.resume-refunds",
    code: "REFUND_ADDRESS_REQUIRED",
    find: (limit) => refundsToResume(deps.db, limit),
    redirect: async (tx, row, { operation_id, address }) => {
      const { target, params, body_hash } = aimed(requestIn(row), address);
      await tx.sql`
        UPDATE payments.operation
        SET target = ${target}, params = ${params}::bytea, body_hash = ${body_hash}
        WHERE operation_id = ${operation_id}`;
    },
  });
}

/** Without a limit all of them: whoever waits until nothing is left to do asks the same. */
export function refundsToResume(db: Queryable, limit: number | null): Promise<RefusedRefund[]> {
  return db.sql<RefusedRefund>`
    SELECT o.operation_id, o.escrow_id, a.address FROM payments.operation o
    JOIN payments.payment p USING (escrow_no)
    JOIN payments.refund_address a ON a.party_id = p.buyer_id AND a.provider = o.provider
    WHERE o.state = 'FAILED' AND o.code = 'REFUND_ADDRESS_REQUIRED' AND a.status = 'READY'
      AND NOT p.frozen AND NOT p.sanctioned
      AND NOT EXISTS (
        SELECT FROM payments.provider_object c
        WHERE c.operation_id = o.operation_id AND c.problem <> '')
    LIMIT ${limit}::bigint`;
}
