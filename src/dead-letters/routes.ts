/**
 * /v1/dead-letters: lists and single letters for operators and auditors, replay and discard for
 * operators; and the approval of a discard that takes two.
 */
import { Hono } from "hono";
import { type LetterRequest, LetterRequestSchema } from "#gen/platform/v1/operations_pb";
import type { Clock } from "#platform/clock";
import { createApprovalRoutes } from "#platform/http/approval-routes";
import { readJson, toMessage } from "#platform/http/body";
import { idempotencyKeyOf } from "#platform/http/idempotency";
import { lettersDiscarded } from "#platform/http/openapi/answers";
import { documented } from "#platform/http/openapi/documented";
import { headerOf } from "#platform/http/openapi/headers";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import { listedLetters, openLetter, replayed } from "./answers.ts";
import type { LetterDesk } from "./desk.ts";
import { filterOf, mostListed } from "./selection.ts";

const letterParameters = {
  type: "a message's type",
  since: "failed at or after this instant, or so long ago at most",
  topic: "of this topic",
  key: "with this key",
  consumer: "of this consumer",
  cause: "the class of what was thrown last",
  state: "dead or waiting",
  fingerprint: "that failed alike",
  group: "true counts them by how they failed",
  limit: "how many",
};

export function letterRoutes(desk: LetterDesk, clock: Pick<Clock, "wall">): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get(
    "/v1/dead-letters",
    documented({
      summary: "Messages no handler could take.",
      roles: ["admin", "auditor"],
      query: letterParameters,
      answers: { 200: listedLetters },
    }),
    async (c) => {
      const { limit, group, ...filter } = c.req.query();
      const wanted = filterOf(filter, clock);
      if (group === "true") return c.json({ groups: await desk.groups(wanted) });
      return c.json(await desk.list(wanted, limitOf(limit)));
    },
  );
  app.get(
    "/v1/dead-letters/:id",
    documented({
      summary: "One of them: what it says, why it failed, what waits behind it.",
      roles: ["admin", "auditor"],
      answers: { 200: openLetter },
    }),
    async (c) => {
      const letter = await desk.show(c.req.param("id"));
      if (letter === undefined) throw notFound();
      return c.json(letter);
    },
  );
  app.post(
    "/v1/dead-letters/replay",
    documented({
      summary: "Try them again.",
      roles: ["admin"],
      body: LetterRequestSchema,
      answers: { 200: replayed },
    }),
    async (c) => {
      return c.json(await desk.replay(await requestIn(c.req.raw), c.get("principal")));
    },
  );
  app.post(
    "/v1/dead-letters/discard",
    documented({
      summary: "Give them up; of an escrow's a second operator approves it.",
      roles: ["admin"],
      body: LetterRequestSchema,
      headers: { "Idempotency-Key": "optional" },
      answers: { 200: lettersDiscarded, 202: lettersDiscarded },
    }),
    async (c) => {
      const key = headerOf(c, "Idempotency-Key") && idempotencyKeyOf(c);
      const answer = await desk.discard(await requestIn(c.req.raw), c.get("principal"), key);
      return c.json(answer, answer.status === "awaiting_approval" ? 202 : 200);
    },
  );
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
  throw new HttpProblem("INVALID_FIELD", `A number from 1 to ${mostListed}.`, { field: "limit" });
}
