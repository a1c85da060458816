/** The escrow's actions that need two operators: no party of it is one of them. */
import { type Command, CommandSchema } from "#gen/escrow/v1/commands_pb";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { type Approvals, createApprovals } from "#platform/http/approvals";

export interface EscrowApprovalsOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "now" | "offsetMs">;
}

export function createEscrowApprovals({ db, clock }: EscrowApprovalsOptions): Approvals<Command> {
  return createApprovals<Command>({
    db,
    clock,
    schema: "escrow",
    message: CommandSchema,
    partiesOf: async ({ escrowId }) => {
      const [row] = await db.sql<{ buyer_id: string; seller_id: string }>`
        SELECT buyer_id, seller_id FROM escrow.escrow WHERE id = ${escrowId}`;
      return row && [row.buyer_id, row.seller_id];
    },
    summaryOf: ({ body }) => {
      const money = body.case === "releaseFunds" || body.case === "refundEscrow";
      const { milestoneId, amount } = money ? body.value : { milestoneId: "", amount: 0n };
      return { milestoneId, amount: amount.toString() };
    },
  });
}
