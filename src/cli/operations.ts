/** Operators' routes over the whole process: what the command line asks of a running server. */
import { Hono } from "hono";
import { parseDuration } from "#kernel/duration";
import type { Clock } from "#platform/clock";
import { requireRole } from "#platform/http/auth";
import { readJson } from "#platform/http/body";
import { instantOf } from "#platform/http/instant";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import type { Application } from "../roles.ts";
import { clockView } from "../test-clock/clock-view.ts";
import type { TestClock } from "../test-clock/test-clock.ts";

export interface OperationDeps {
  readonly application: Application;
  readonly testClock: TestClock;
  readonly clock: Pick<Clock, "now" | "wall" | "offsetMs">;
  /** Every module's workers run in this process: only then does the clock's advance see all. */
  readonly complete: boolean;
  /** Where money is real, time is too. */
  readonly sandbox: boolean;
}

export function operationRoutes(deps: OperationDeps): Hono<HttpEnv> {
  const { application, testClock, clock, complete, sandbox } = deps;
  return new Hono<HttpEnv>()
    .get("/sandbox/clock", (c) => {
      if (!sandbox) throw notFound();
      return c.json(clockView(clock));
    })
    .post("/sandbox/clock/advance", async (c) => {
      if (!sandbox) throw notFound();
      requireRole(c.get("principal"), "admin");
      if (!complete) {
        throw new HttpProblem(
          "CONFLICT",
          "The clock is advanced where all modules run in one process.",
        );
      }
      const { by } = (await readJson(c.req.raw)) as { by?: unknown };
      const byMs = typeof by === "string" ? parseDuration(by) : undefined;
      if (byMs === undefined) {
        throw new HttpProblem("INVALID_DURATION", "An ISO 8601 duration such as P7D.", {
          field: "by",
        });
      }
      const { now, fired } = await testClock.advance(byMs);
      return c.json({ now: now.toISOString(), fired, settled: true });
    })
    .post("/v1/operations/verify", async (c) => {
      requireRole(c.get("principal"), "admin", "auditor");
      return c.json(await application.verify());
    })
    .post("/v1/operations/reconcile", async (c) => {
      requireRole(c.get("principal"), "admin");
      const { provider, from, until } = c.req.query();
      const request = { provider, from: instantOf(from, "from"), until: instantOf(until, "until") };
      return c.json({ providers: await application.reconcile(request) });
    })
    .post("/v1/operations/audit", async (c) => {
      requireRole(c.get("principal"), "admin", "auditor");
      return c.json({ logs: await application.audit() });
    })
    .post("/v1/operations/rebuild", async (c) => {
      requireRole(c.get("principal"), "admin");
      const { messages, setAside } = await application.rebuild();
      return c.json({ messages: String(messages), setAside });
    });
}
