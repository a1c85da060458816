/**
 * Operators' decisions on reviews, deposits and debts, as commands in a batch: loads what they are
 * judged by, and keeps it up to date from one decision to the next.
 */
import type { Command } from "#gen/payments/v1/commands_pb";
import { required } from "#kernel/assert";
import type { Tx } from "#platform/database/database";
import { loadBooked } from "../deposits.ts";
import { decideForeign } from "../domain/decide-foreign.ts";
import { decideDeposit, decideReview } from "../domain/decide-review.ts";
import type { Decision, Effect } from "../domain/effect.ts";
import { debtKey, sellersDebt } from "../domain/netting.ts";
import type { BookedDeposit } from "../domain/payment.ts";
import { reverseTransfer } from "../domain/reverse-transfer.ts";
import type { Screening } from "../domain/screening.ts";
import type { Root } from "../journal.ts";
import { loadSurroundings } from "../recording/surroundings.ts";
import { loadScreenings } from "./screening-rows.ts";

type ReviewCase = "decideReview" | "decideDeposit" | "reverseTransfer";

type ReviewCommand = Command & {
  readonly body: Extract<Command["body"], { readonly case: ReviewCase }>;
};

export interface ReviewDesk {
  decide(root: Root, command: ReviewCommand): Decision;
  track(root: Root, effects: readonly Effect[]): void;
}

export function isReviewCommand(command: Command): command is ReviewCommand {
  const { case: name } = command.body;
  return name === "decideReview" || name === "decideDeposit" || name === "reverseTransfer";
}

/** The roots are locked. Reads nothing where no such command is among them. */
export async function createReviewDesk(
  tx: Tx,
  commands: readonly Command[],
  roots: ReadonlyMap<string, Root>,
  now: Date,
): Promise<ReviewDesk> {
  const named = new Set(commands.filter(isReviewCommand).map(({ escrowId }) => escrowId));
  const mine = [...roots.values()].filter(({ payment }) => named.has(payment.escrowId));
  const nos = mine.map(({ escrowNo }) => escrowNo);
  const surroundings = await loadSurroundings(tx, mine, now);
  const screenings = await loadScreenings(tx, nos);
  const deposits = await loadBooked(tx, nos);
  const collected = commands.filter(({ body }) => body.case === "reverseTransfer");
  const debtors = new Set(collected.map(({ escrowId }) => roots.get(escrowId)?.payment.sellerId));
  const reversing = await loadReversing(tx, debtors);
  return {
    decide: (root, command) => {
      const given = {
        around: required(surroundings.of(root), "what stands around the payment"),
        screenings: screenings.get(root.escrowNo) ?? new Map<string, Screening>(),
        deposits: deposits.get(root.escrowNo) ?? new Map<string, BookedDeposit>(),
      };
      const foreign = decideForeign(root.payment, command, given.around);
      if (foreign !== undefined) return foreign;
      const { body } = command;
      if (body.case === "reverseTransfer") {
        const debtor = {
          ...given.around,
          reversing: reversing.get(sellersDebt(root.payment)) ?? 0n,
        };
        return reverseTransfer(root.payment, command, body.value, debtor);
      }
      return body.case === "decideReview"
        ? decideReview(root.payment, command, body.value, given)
        : decideDeposit(root.payment, command, body.value, given);
    },
    track: (root, effects) => {
      surroundings.track(root, effects);
      for (const effect of effects) {
        if (effect.case === "opened" && effect.operation.kind === "REVERSAL") {
          const before = reversing.get(sellersDebt(root.payment)) ?? 0n;
          reversing.set(sellersDebt(root.payment), before + effect.operation.net);
        }
        if (effect.case !== "screened") continue;
        screenings.get(root.escrowNo)?.set(effect.screening.reviewId, effect.screening);
      }
    },
  };
}

/** The debts are locked: whoever opens a reversal holds its debtor's. */
async function loadReversing(
  tx: Tx,
  debtors: ReadonlySet<string | undefined>,
): Promise<Map<string, bigint>> {
  const sellers = [...debtors].filter((sellerId) => sellerId !== undefined);
  if (sellers.length === 0) return new Map();
  const rows = await tx.sql<{ seller_id: string; currency: string; net: bigint }>`
    SELECT p.seller_id, p.currency, sum(o.net)::bigint AS net
    FROM payments.operation o JOIN payments.payment p USING (escrow_no)
    WHERE p.seller_id = ANY(${sellers}::text[]) AND o.kind = 'REVERSAL'
      AND o.state NOT IN ('SUCCEEDED', 'REJECTED', 'WITHDRAWN')
    GROUP BY p.seller_id, p.currency`;
  return new Map(rows.map((row) => [debtKey(row.seller_id, row.currency), row.net]));
}
