/** Operators' routes over the whole process: what the command line asks of a running server. */
import { Hono } from "hono";
import { z } from "zod";
import { parseDuration } from "#kernel/duration";
import type { Clock } from "#platform/clock";
import { requireRole } from "#platform/http/auth";
import { readJson } from "#platform/http/body";
import { instantOf } from "#platform/http/instant";
import { instant, providerBreak } from "#platform/http/openapi/answers";
import { documented, type RouteDoc } from "#platform/http/openapi/documented";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import { limitOf } from "../dead-letters/routes.ts";
import type { Application } from "../roles.ts";
import { clockView } from "../test-clock/clock-view.ts";
import type { TestClock } from "../test-clock/test-clock.ts";

const clockAnswer = () => z.object({ now: instant(), real: instant(), ahead: z.string() });
const advanceBody = () => z.object({ by: z.string().describe("ISO 8601, such as P7D.") });
const advanced = () => z.object({ now: instant(), fired: z.int(), settled: z.literal(true) });
const verdict = () =>
  z.object({
    id: z.string(),
    name: z.string(),
    ok: z.boolean(),
    checked: z.int(),
    detail: z.string().optional().describe("The first counter-example."),
  });
const verified = () => z.object({ ok: z.boolean(), checks: z.array(verdict()) });
const reconciled = () =>
  z.object({
    providers: z.array(
      z.object({
        provider: z.string(),
        from: instant(),
        until: instant(),
        movements: z.int().describe("Read of the provider's book."),
        compared: z.int(),
        tooRecent: z.int().describe("Differ, and moved too lately to be judged."),
        judgedAfterSeconds: z.int().describe("How old a movement must be to be judged."),
        stopped: z.boolean().describe("Releases stand still."),
        breaks: z.array(providerBreak()),
      }),
    ),
  });
const audited = () =>
  z.object({
    logs: z.array(
      z.object({
        log: z.string(),
        links: z.int(),
        rows: z.int(),
        waiting: z.int().describe("Written, and not chained yet."),
        head: z.string().describe("The last link's hash."),
        broken: z.string().optional().describe("The first that is not as it was."),
      }),
    ),
  });
const tailed = () =>
  z.object({
    items: z.array(
      z.object({
        topic: z.string(),
        partition: z.int(),
        offset: z.string(),
        at: instant(),
        key: z.string(),
        type: z.string(),
        messageId: z.string(),
        correlationId: z.string(),
        body: z.unknown().describe("Decoded; people's texts stay sealed."),
      }),
    ),
    next: z.string().describe("The cursor of what comes after these."),
  });
const rebuilt = () => z.object({ messages: z.string(), setAside: z.int() });

export interface OperationDeps {
  readonly application: Application;
  readonly testClock: TestClock;
  readonly clock: Pick<Clock, "now" | "wall" | "offsetMs">;
  /** Every module's workers run in this process: only then does the clock's advance see all. */
  readonly complete: boolean;
  /** Where money is real, time is too. */
  readonly sandbox: boolean;
}

const docs = {
  getClock: { summary: "Where the sandbox's clock stands.", answers: { 200: clockAnswer } },
  postClockAdvance: {
    summary: "Move the sandbox's time; all that falls due follows, in order.",
    audience: "role admin, in a sandbox",
    body: advanceBody,
    answers: { 200: advanced },
  },
  postOperationsVerify: {
    summary: "Compute all invariants.",
    roles: ["admin", "auditor"],
    answers: { 200: verified },
  },
  postOperationsReconcile: {
    summary: "Hold the books against the providers' own.",
    roles: ["admin"],
    query: {
      provider: "only this one",
      from: "since this instant",
      until: "up to this instant",
    },
    answers: { 200: reconciled },
  },
  postOperationsAudit: {
    summary: "Go through the audit logs' hash chains.",
    roles: ["admin", "auditor"],
    answers: { 200: audited },
  },
  postOperationsRebuild: {
    summary: "Make the read models anew.",
    roles: ["admin"],
    answers: { 200: rebuilt },
  },
  getOperationsMessages: {
    summary: "The latest messages of the topics, then whatever comes after them.",
    roles: ["admin", "auditor"],
    query: {
      topic: "of these, comma-separated; all topics of events when absent",
      limit: "how many",
      after: "the cursor `next`; absent: the latest",
    },
    answers: { 200: tailed },
  },
} satisfies Record<string, RouteDoc>;

export function operationRoutes(deps: OperationDeps): Hono<HttpEnv> {
  const { application, testClock, clock, complete, sandbox } = deps;
  return new Hono<HttpEnv>()
    .get("/sandbox/clock", documented(docs.getClock), (c) => {
      if (!sandbox) throw notFound();
      return c.json(clockView(clock));
    })
    .post("/sandbox/clock/advance", documented(docs.postClockAdvance), async (c) => {
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
    .post("/v1/operations/verify", documented(docs.postOperationsVerify), async (c) => {
      return c.json(await application.verify());
    })
    .post("/v1/operations/reconcile", documented(docs.postOperationsReconcile), async (c) => {
      const { provider, from, until } = c.req.query();
      const request = {
        provider,
        from: instantOf(from, "from"),
        until: instantOf(until, "until"),
      };
      return c.json({ providers: await application.reconcile(request) });
    })
    .post("/v1/operations/audit", documented(docs.postOperationsAudit), async (c) => {
      return c.json({ logs: await application.audit() });
    })
    .post("/v1/operations/rebuild", documented(docs.postOperationsRebuild), async (c) => {
      const { messages, setAside } = await application.rebuild();
      return c.json({ messages: String(messages), setAside });
    })
    .get("/v1/operations/messages", documented(docs.getOperationsMessages), async (c) => {
      const { topic, limit, after } = c.req.query();
      const named = (topic ?? "").split(",").filter((name) => name !== "");
      return c.json(await application.tail({ topics: named, limit: limitOf(limit), after }));
    });
}
