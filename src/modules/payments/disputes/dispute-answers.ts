/** What is answered of money that was taken back, for the reference: disputes, payouts, debts. */
import { z } from "zod";
import { instant, items, minor, money } from "#platform/http/openapi/answers";

export const disputes = items(() =>
  z.object({
    disputeId: z.string(),
    kind: z.string(),
    status: z.string(),
    locked: z
      .boolean()
      .describe(
        "It holds something up. An inquiry or a warning: deadlines alone, while the parties may still release and refund. All else: whatever leaves the deal.",
      ),
    reason: z.string(),
    amount: money(),
    taken: minor(),
    reinstated: minor(),
    open: minor().describe("Taken, and not yet borne by anybody."),
    fromEscrow: minor(),
    debt: minor().describe("What the seller came to owe for it."),
    owed: minor().describe("What he owes of that to this day."),
    losses: minor().describe("What the platform bears."),
    payable: minor(),
    openedAt: instant(),
    evidenceDueBy: instant().optional(),
  }),
);

export const payouts = items(() =>
  z.object({
    payoutId: z.string(),
    provider: z.string(),
    status: z.string(),
    amount: money(),
    code: z.string().optional().describe("Why it failed, in the provider's word."),
    createdAt: instant(),
    updatedAt: instant(),
  }),
);

export const debts = items(() => z.object({ partyId: z.string(), owed: money() }));
