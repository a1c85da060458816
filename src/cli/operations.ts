/** Operators' routes over the whole process: what the command line asks of a running server. */
import { Hono } from "hono";
import { requireRole } from "#platform/http/auth";
import type { HttpEnv } from "#platform/module";
import type { Application } from "../roles.ts";

export function operationRoutes(application: Application): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .post("/v1/operations/verify", async (c) => {
      requireRole(c.get("principal"), "admin", "auditor");
      return c.json(await application.verify());
    })
    .post("/v1/operations/rebuild", async (c) => {
      requireRole(c.get("principal"), "admin");
      const { messages } = await application.rebuild();
      return c.json({ messages: String(messages) });
    });
}
