/** The escrow's actions that need two operators: no party of it is one of them. */
import { type Command, CommandSchema } from "#gen/escrow/v1/commands_pb";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { type Approvals, createApprovals, reasonIn } from "#platform/http/approvals";
import type { Keyring } from "#platform/sealing/keyring";

export interface EscrowApprovalsOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "now" | "offsetMs">;
  readonly keyring: Pick<Keyring, "open">;
}

export function createEscrowApprovals({
  db,
  clock,
  keyring,
}: EscrowApprovalsOptions): Approvals<Command> {
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
    summaryOf: async ({ body }) => {
      const sealed =
        body.value !== undefined && "reason" in body.value ? body.value.reason : undefined;
      const reason = await reasonIn(sealed, keyring);
      if (body.case !== "releaseFunds" && body.case !== "refundEscrow") {
        return { milestoneId: "", ...reason };
      }
      const { milestoneId, amount } = body.value;
      return { milestoneId, amount: amount === 0n ? "all" : amount.toString(), ...reason };
    },
  });
}
