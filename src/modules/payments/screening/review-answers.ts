/** What the lists for operators answer, for the reference: reviews, deposits, what is blocked. */
import { z } from "zod";
import { instant, items, money } from "#platform/http/openapi/answers";

const screened = () => ({
  reviewId: z.string(),
  escrowId: z.string(),
  purpose: z.string(),
  partyId: z.string(),
  address: z.string(),
  amount: money(),
  source: z.string().describe("Whose list it is."),
  listVersion: z.string(),
});

export const reviews = items(() =>
  z.object({
    ...screened(),
    state: z.enum(["HELD", "BLOCKED", "DUE"]),
    reason: z.string(),
    openedAt: instant(),
    score: z.number().optional(),
  }),
);

export const depositsThatWait = items(() =>
  z.object({
    depositId: z.string(),
    escrowId: z.string(),
    amount: money(),
    disposition: z.string(),
    source: z.string(),
    at: instant(),
  }),
);

export const blocked = items(() =>
  z.object({
    ...screened(),
    buyerId: z.string(),
    sellerId: z.string(),
    otherAsset: money().optional().describe("Kept where it came, beside the escrow's own money."),
    undone: z.boolean().optional().describe("The chain took the deposit away: nothing is kept."),
    blockedAt: instant(),
    liftedAt: instant().optional(),
    decidedBy: z.array(z.string()),
  }),
);
