/**
 * The HTTP application every role shares: correlation ids, security headers, tokens, rate limit,
 * errors as problems, health and metrics. Modules add their routes to what createHttp returns.
 */
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { z } from "zod";
import { formatDuration } from "#kernel/duration";
import type { Clock } from "../clock.ts";
import type { HttpEnv } from "../module.ts";
import type { Logger } from "../telemetry/logger.ts";
import { passingTracer, type Tracer, traceIdOf } from "../telemetry/tracing.ts";
import type { Health } from "../workers/health.ts";
import { allowedMethods } from "./allowed-methods.ts";
import { type Auth, requireAuth } from "./auth.ts";
import { envelope, type ServedRequest } from "./envelope.ts";
import { documented } from "./openapi/documented.ts";
import { createReference } from "./openapi/reference.ts";
import { HttpProblem, notFound, problemOf, problemResponse } from "./problem.ts";
import { createRateLimit } from "./rate-limit.ts";
import { requireScope } from "./scopes.ts";

const alive = () => z.object({ status: z.literal("ok"), clockAhead: z.string().optional() });
const readyAnswer = () =>
  z.object({
    status: z.enum(["ready", "not ready"]),
    checks: z.record(z.string(), z.string()),
    reasons: z.record(z.string(), z.string()).optional(),
    notices: z.array(z.string()).optional(),
  });
const text = () => z.string();

export interface Metrics {
  readonly contentType: string;
  metrics(): Promise<string>;
  readonly requestServed?: (request: ServedRequest) => void;
}

export interface HttpOptions {
  readonly auth: Auth;
  readonly health: Health;
  readonly metrics?: Metrics | undefined;
  readonly logger: Logger;
  readonly tracer?: Tracer;
  readonly clock: Pick<Clock, "wall" | "monotonicMs" | "offsetMs">;
  /** This program's, for the reference. */
  readonly version?: string;
  /** Per subject, or per API key; 200 a second unless told otherwise. */
  readonly rateLimit?: { readonly perSecond: number; readonly burst: number } | undefined;
}

/** Signed by their sender instead of carrying a token. */
const webhooks = "/v1/webhooks/";
/** No id and no text asked for holds one, and the database takes none. */
const controlCharacter = /%(?:[01][0-9a-f]|7f)/i;
export function createHttp(options: HttpOptions): Hono<HttpEnv> {
  const { auth, health, metrics, logger, clock, tracer = passingTracer } = options;
  const app = new Hono<HttpEnv>();
  const guard = guarded(auth, rateLimited(options));
  app.use(envelope({ logger, clock, tracer, onServed: metrics?.requestServed }));
  app.use(refuseControlCharacters);
  app.use("/v1/*", guard);
  app.use("/sandbox/*", guard);
  app.get(
    "/healthz",
    documented({
      summary: "This process answers.",
      open: true,
      query: "any",
      answers: { 200: alive },
    }),
    (c) => c.json({ status: "ok", ...movedClock(clock) }),
  );
  app.get(
    "/readyz",
    documented({
      summary: "It can work; why not, to operators.",
      open: true,
      query: "any",
      answers: { 200: readyAnswer, 503: readyAnswer },
    }),
    async (c) => {
      const { reasons, notices, ...report } = await health.check();
      const shown = (await isOperator(auth, c)) ? { ...report, reasons, notices } : report;
      return c.json(shown, report.status === "ready" ? 200 : 503);
    },
  );
  if (metrics !== undefined) {
    app.get(
      "/metrics",
      documented({
        summary: "Prometheus metrics.",
        open: true,
        query: "any",
        answers: { 200: text },
      }),
      async (c) => c.body(await metrics.metrics(), 200, { "Content-Type": metrics.contentType }),
    );
  }
  app.route("/", createReference({ routes: () => app.routes, version: options.version ?? "0" }));
  app.notFound((c) => problemResponse(nothingThere(app, c), c.get("correlationId")));
  app.onError((error, c) => {
    const problem = problemOf(error);
    const traceId = traceIdOf(c.get("traceparent"));
    const correlationId = c.get("correlationId");
    if (problem.status < 500) {
      logger.debug({ err: error, correlationId, traceId }, "a request was refused");
    } else {
      logger.error({ err: error, correlationId, traceId }, "a request failed");
    }
    return problemResponse(problem, c.get("correlationId"));
  });
  return app;
}

/** How far the sandbox's clock was moved; nothing where it was not. */
function movedClock(clock: Pick<Clock, "offsetMs">): { readonly clockAhead?: string } {
  const offsetMs = clock.offsetMs();
  return offsetMs === 0n ? {} : { clockAhead: formatDuration(offsetMs) };
}

/** Asked where nobody need be signed in: whoever cannot be told apart is nobody. */
async function isOperator(auth: Auth, c: Context<HttpEnv>): Promise<boolean> {
  if (c.req.header("Authorization") === undefined) return false;
  const { roles } = await auth.authenticate(c).catch(() => ({ roles: [] as readonly string[] }));
  return roles.includes("admin") || roles.includes("auditor");
}

const refuseControlCharacters: MiddlewareHandler<HttpEnv> = async (c, next) => {
  // A further question mark is a part of the query.
  const [path = "", ...query] = c.req.url.split("?");
  if (controlCharacter.test(path)) throw notFound();
  if (query.some((part) => controlCharacter.test(part))) {
    throw new HttpProblem("BAD_REQUEST", "A query holds no control characters.");
  }
  await next();
};

function guarded(auth: Auth, limit: MiddlewareHandler<HttpEnv>): MiddlewareHandler<HttpEnv> {
  const authenticate = requireAuth(auth);
  return async (c, next) => {
    if (c.req.path.startsWith(webhooks)) return next();
    return authenticate(c, async () => {
      requireScope(c.get("principal"), c.req.method, c.req.path);
      await limit(c, next);
    });
  };
}

function rateLimited({ rateLimit, clock }: HttpOptions): MiddlewareHandler<HttpEnv> {
  const limit = createRateLimit({ perSecond: 200, burst: 200, ...rateLimit, clock });
  return async (c, next) => {
    const { issuer, subject, keyId } = c.get("principal");
    const seconds = limit.take(keyId === undefined ? `${issuer}|${subject}` : `key|${keyId}`);
    if (seconds > 0) {
      throw new HttpProblem("RATE_LIMITED", "Too many requests: slow down.", {
        headers: { "Retry-After": String(seconds) },
      });
    }
    await next();
  };
}

function nothingThere(app: Hono<HttpEnv>, c: Context<HttpEnv>): HttpProblem {
  if (c.req.path === "/") return new HttpProblem("NOT_FOUND", "Its reference is at /docs.");
  const allowed = allowedMethods(app.routes, c.req.path);
  if (allowed.length === 0 || allowed.includes(c.req.method)) return notFound();
  return new HttpProblem("METHOD_NOT_ALLOWED", `Allowed here: ${allowed.join(", ")}.`, {
    headers: { Allow: allowed.join(", ") },
  });
}
