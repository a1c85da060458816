/**
 * GET /v1/approvals and POST /v1/approvals/:id/approve. Each module with approvals of its own mounts
 * them on the same paths: a list is completed, and an unknown id tried, by whoever comes next.
 */
import { type Context, Hono } from "hono";
import { z } from "zod";
import type { HttpEnv } from "../module.ts";
import type { Approvable, Approvals, OpenApprovals } from "./approvals.ts";
import { instant, lettersDiscarded, minor, settled, subject } from "./openapi/answers.ts";
import { documented } from "./openapi/documented.ts";
import { idOf } from "./path-id.ts";

const approvalsAnswer = () =>
  z.object({
    approvals: z.array(
      z.object({
        approvalId: z.string(),
        ...subject(),
        commandId: z.string(),
        action: z.string(),
        askedBy: z.string(),
        askedAt: instant(),
        approvedBy: z
          .string()
          .optional()
          .describe("It was approved and has not reached the log: approve it again."),
        expiresAt: instant().optional().describe("Absent once that no longer ends it."),
        milestoneId: z.string(),
        amount: minor()
          .optional()
          .describe('Minor units, or "all" there is; absent where the action has none.'),
        currency: z.string().optional().describe("Of the amount; absent: the escrow's."),
        reviewId: z.string().optional().describe("Of a hit that is lifted: which review."),
        code: z.string().optional().describe("Of a hit: why the money was blocked."),
        partyId: z.string().optional().describe("Whom a hit is about, or whose debt it is."),
        operationId: z.string().optional().describe("Of a reversal: the transfer."),
        letters: z.array(z.string()).optional(),
        reason: z.string().optional().describe("As whoever asked gave it."),
      }),
    ),
    more: z.boolean(),
  });

/** A command that was waited for, or letters that were discarded. */
const approved = () => z.union([settled(), lettersDiscarded()]);

export interface ApprovalRoutesOptions<C extends Approvable> {
  readonly approvals: Approvals<C>;
  /** Publishes what two operators want. */
  readonly accept: (c: Context<HttpEnv>, command: C) => Promise<Response>;
}

export function createApprovalRoutes<C extends Approvable>({
  approvals,
  accept,
}: ApprovalRoutesOptions<C>): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get(
    "/v1/approvals",
    documented({
      summary: "What waits for a second operator, or was approved and has not reached the log.",
      roles: ["admin"],
      answers: { 200: approvalsAnswer },
    }),
    async (c, next) => {
      const own = await approvals.open();
      await next();
      c.res = Response.json(joined(own, await othersIn(c.res)));
    },
  );
  app.post(
    "/v1/approvals/:id/approve",
    documented({
      summary: "Approve it, as another operator than the one who asked.",
      roles: ["admin"],
      headers: { Prefer: "optional" },
      answers: { 200: approved },
      command: true,
    }),
    async (c, next) => {
      const command = await approvals.approve(idOf(c.req.param("id")), c.get("principal"));
      return command === undefined ? next() : accept(c, command);
    },
  );
  return app;
}

/** Where no other module answered, the answer so far is that nothing is there. */
async function othersIn(answer: Response): Promise<OpenApprovals> {
  if (answer.status === 200) return (await answer.json()) as OpenApprovals;
  await answer.body?.cancel();
  return { approvals: [], more: false };
}

function joined(own: OpenApprovals, others: OpenApprovals): OpenApprovals {
  const approvals = [...own.approvals, ...others.approvals].sort((a, b) =>
    a.askedAt < b.askedAt ? -1 : 1,
  );
  return { approvals, more: own.more || others.more };
}
