/**
 * /v1/dead-letters: lists and single letters for operators and auditors, replay and discard for
 * operators; and the approval of a discard that takes two.
 */
import { Hono } from "hono";
import { type LetterRequest, LetterRequestSchema } from "#gen/platform/v1/operations_pb";
import type { Clock } from "#platform/clock";
import { createApprovalRoutes } from "#platform/http/approval-routes";
import { requireRole } from "#platform/http/auth";
import { readJson, toMessage } from "#platform/http/body";
import { idempotencyKeyOf } from "#platform/http/idempotency";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import type { LetterDesk } from "./desk.ts";
import { filterOf, mostListed } from "./selection.ts";

export function letterRoutes(desk: LetterDesk, clock: Pick<Clock, "wall">): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get("/v1/dead-letters", async (c) => {
    requireRole(c.get("principal"), "admin", "auditor");
    const { limit, group, ...filter } = c.req.query();
    const wanted = filterOf(filter, clock);
    if (group === "true") return c.json({ groups: await desk.groups(wanted) });
    return c.json(await desk.list(wanted, limitOf(limit)));
  });
  app.get("/v1/dead-letters/:id", async (c) => {
    requireRole(c.get("principal"), "admin", "auditor");
    const letter = await desk.show(c.req.param("id"));
    if (letter === undefined) throw notFound();
    return c.json(letter);
  });
  app.post("/v1/dead-letters/replay", async (c) => {
    requireRole(c.get("principal"), "admin");
    return c.json(await desk.replay(await requestIn(c.req.raw), c.get("principal")));
  });
  app.post("/v1/dead-letters/discard", async (c) => {
    requireRole(c.get("principal"), "admin");
    const key = c.req.header("Idempotency-Key") && idempotencyKeyOf(c.req.raw);
    const answer = await desk.discard(await requestIn(c.req.raw), c.get("principal"), key);
    return c.json(answer, answer.status === "awaiting_approval" ? 202 : 200);
  });
  const approval = createApprovalRoutes({
    approvals: desk.approvals,
    accept: async (c, request) => c.json(await desk.discardApproved(request)),
  });
  return app.route("/", approval);
}

async function requestIn(request: Request): Promise<LetterRequest> {
  return toMessage(LetterRequestSchema, await readJson(request));
}

/** 100 unless told otherwise. */
export function limitOf(text: string | undefined): number {
  const limit = Number(text ?? "100");
  if (Number.isInteger(limit) && limit > 0 && limit <= mostListed) return limit;
  throw new HttpProblem("BAD_REQUEST", `A number from 1 to ${mostListed}.`, { field: "limit" });
}
