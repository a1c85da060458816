/** Payments' actions that need two operators: nobody whose money it is is one of them. */
import type { Money } from "#gen/escrow/v1/types_pb";
import { type Command, CommandSchema } from "#gen/payments/v1/commands_pb";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import {
  type ApprovalSummary,
  type Approvals,
  createApprovals,
  reasonIn,
} from "#platform/http/approvals";
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
      ...(await aboutIn(body, db)),
      ...(await reasonIn(body.case === "resumeProvider" ? body.value.reason : undefined, keyring)),
    }),
  });
}

type About = Omit<ApprovalSummary, "milestoneId">;

/** Enough to tell one from another of the same escrow. */
async function aboutIn(body: Command["body"], db: Database): Promise<About> {
  switch (body.case) {
    case "decideReview":
      return reviewOf(body.value.reviewId, db);
    case "reverseTransfer":
      return { operationId: body.value.transferOperationId, ...moneyIn(body.value) };
    case "writeOffDebt":
      return { partyId: body.value.partyId, ...moneyIn(body.value) };
    default:
      return {};
  }
}

function moneyIn({ amount }: { readonly amount?: Money | undefined }): About {
  return amount === undefined
    ? {}
    : { amount: amount.amount.toString(), currency: amount.currency };
}

interface ReviewRow {
  readonly party_id: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly reason: string;
}

/** As `/v1/reviews` shows it. */
async function reviewOf(reviewId: string, db: Database): Promise<About> {
  const [row] = await db.sql<ReviewRow>`
    SELECT party_id, amount, currency, reason FROM payments.screening
    WHERE review_id = ${reviewId}`;
  if (row === undefined) return { reviewId };
  const { party_id: partyId, amount, currency, reason: code } = row;
  return { reviewId, partyId, amount: amount.toString(), currency, code };
}
