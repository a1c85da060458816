/** /v1/outbox: the rows the log refused, for operators and auditors; back into the line, for operators. */
import { Hono } from "hono";
import { RetryHeldRequestSchema } from "#gen/platform/v1/operations_pb";
import { readJson, toMessage } from "#platform/http/body";
import { documented } from "#platform/http/openapi/documented";
import type { HttpEnv } from "#platform/module";
import { listedHeld, retried } from "./answers.ts";
import type { HeldDesk } from "./held-desk.ts";
import { limitOf } from "./routes.ts";

export function heldRoutes(desk: HeldDesk): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .get(
      "/v1/outbox/held",
      documented({
        summary: "Rows the log refused.",
        roles: ["admin", "auditor"],
        query: { limit: "how many" },
        answers: { 200: listedHeld },
      }),
      async (c) => {
        return c.json(await desk.list(limitOf(c.req.query("limit"))));
      },
    )
    .post(
      "/v1/outbox/retry",
      documented({
        summary: "Put them back into the line.",
        roles: ["admin"],
        body: RetryHeldRequestSchema,
        answers: { 200: retried },
      }),
      async (c) => {
        const request = toMessage(RetryHeldRequestSchema, await readJson(c.req.raw));
        return c.json(await desk.retry(request, c.get("principal")));
      },
    );
}
