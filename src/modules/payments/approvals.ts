/** Payments' actions that need two operators: nobody whose money it is is one of them. */
import { type Command, CommandSchema } from "#gen/payments/v1/commands_pb";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { type Approvals, createApprovals, reasonIn } from "#platform/http/approvals";
import type { Keyring } from "#platform/sealing/keyring";
import { isProviderCommand } from "./stops/provider-desk.ts";

export interface PaymentsApprovalsOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "now" | "offsetMs">;
  readonly keyring: Pick<Keyring, "open">;
}

export function createPaymentsApprovals({
  db,
  clock,
  keyring,
}: PaymentsApprovalsOptions): Approvals<Command> {
  return createApprovals<Command>({
    db,
    clock,
    schema: "payments",
    message: CommandSchema,
    partiesOf: async (command) => {
      // A provider belongs to nobody.
      if (isProviderCommand(command)) return [];
      const { escrowId, body } = command;
      if (body.case === "writeOffDebt") return [body.value.partyId];
      const [row] = await db.sql<{ buyer_id: string; seller_id: string }>`
        SELECT buyer_id, seller_id FROM payments.payment WHERE escrow_id = ${escrowId}`;
      return row && [row.buyer_id, row.seller_id];
    },
    summaryOf: async ({ body }) => ({
      milestoneId: "",
      ...amountIn(body),
      ...(await reasonIn(body.case === "resumeProvider" ? body.value.reason : undefined, keyring)),
    }),
  });
}

function amountIn({ value }: Command["body"]): { amount?: string } {
  if (value === undefined || !("amount" in value) || value.amount === undefined) return {};
  return { amount: value.amount.amount.toString() };
}
