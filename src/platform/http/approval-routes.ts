/**
 * GET /v1/approvals and POST /v1/approvals/:id/approve. Each module with approvals of its own mounts
 * them on the same paths: a list is completed, and an unknown id tried, by whoever comes next.
 */
import { type Context, Hono } from "hono";
import type { HttpEnv } from "../module.ts";
import type { Approvable, Approvals, OpenApprovals } from "./approvals.ts";
import { requireRole } from "./auth.ts";
import { idOf } from "./path-id.ts";

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
  app.get("/v1/approvals", async (c, next) => {
    requireRole(c.get("principal"), "admin");
    const own = await approvals.open();
    await next();
    c.res = Response.json(joined(own, await othersIn(c.res)));
  });
  app.post("/v1/approvals/:id/approve", async (c, next) => {
    requireRole(c.get("principal"), "admin");
    const command = await approvals.approve(idOf(c.req.param("id")), c.get("principal"));
    return command === undefined ? next() : accept(c, command);
  });
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
