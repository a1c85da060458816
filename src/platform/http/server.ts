/**
 * The HTTP application every role shares: correlation ids, security headers, tokens, rate limit,
 * errors as problems, health and metrics. Modules add their routes to what createHttp returns.
 */
import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { Clock } from "../clock.ts";
import type { Health } from "../health.ts";
import type { Logger } from "../logger.ts";
import type { HttpEnv } from "../module.ts";
import { allowedMethods } from "./allowed-methods.ts";
import { type Auth, requireAuth } from "./auth.ts";
import { HttpProblem, notFound, problemOf, problemResponse } from "./problem.ts";
import { createRateLimit } from "./rate-limit.ts";
import { requireScope } from "./scopes.ts";

export interface Metrics {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export interface HttpOptions {
  readonly auth: Auth;
  readonly health: Health;
  readonly metrics?: Metrics | undefined;
  readonly logger: Logger;
  readonly clock: Pick<Clock, "wall" | "monotonicMs">;
  /** Per subject, or per API key; 200 a second unless told otherwise. */
  readonly rateLimit?: { readonly perSecond: number; readonly burst: number } | undefined;
}

const correlationPattern = /^[A-Za-z0-9_-]{1,64}$/;
/** Signed by their sender instead of carrying a token. */
const webhooks = "/v1/webhooks/";
/** No id and no text asked for holds one, and the database takes none. */
const controlCharacter = /%(?:[01][0-9a-f]|7f)/i;
const securityHeaders = {
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
};

export function createHttp(options: HttpOptions): Hono<HttpEnv> {
  const { auth, health, metrics, logger, clock } = options;
  const app = new Hono<HttpEnv>();
  const guard = guarded(auth, rateLimited(options));
  app.use(envelope(logger, clock));
  app.use(refuseControlCharacters);
  app.use("/v1/*", guard);
  app.use("/sandbox/*", guard);
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const report = await health.check();
    return c.json(report, report.status === "ready" ? 200 : 503);
  });
  if (metrics !== undefined) {
    app.get("/metrics", async (c) =>
      c.body(await metrics.metrics(), 200, { "Content-Type": metrics.contentType }),
    );
  }
  app.notFound((c) => problemResponse(nothingThere(app, c), c.get("correlationId")));
  app.onError((error, c) => {
    const problem = problemOf(error);
    if (problem.status >= 500) {
      logger.error({ err: error, correlationId: c.get("correlationId") }, "a request failed");
    }
    return problemResponse(problem, c.get("correlationId"));
  });
  return app;
}

const refuseControlCharacters: MiddlewareHandler<HttpEnv> = async (c, next) => {
  const [path = "", query = ""] = c.req.url.split("?", 2);
  if (controlCharacter.test(path)) throw notFound();
  if (controlCharacter.test(query)) {
    throw new HttpProblem("BAD_REQUEST", "A query holds no control characters.");
  }
  await next();
};

/** Around everything: the correlation id in and out, the security headers, one log line. */
function envelope(logger: Logger, clock: Pick<Clock, "monotonicMs">): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const startedMs = clock.monotonicMs();
    const given = c.req.header("X-Correlation-Id");
    const correlationId =
      given !== undefined && correlationPattern.test(given) ? given : crypto.randomUUID();
    c.set("correlationId", correlationId);
    await next();
    const { headers, status } = c.res;
    headers.set("X-Correlation-Id", correlationId);
    for (const [name, value] of Object.entries(securityHeaders)) {
      if (!headers.has(name)) headers.set(name, value);
    }
    const ms = Math.round((clock.monotonicMs() - startedMs) * 10) / 10;
    // The path only: a query may hold what must not be kept.
    const path = c.req.path.slice(0, 200);
    logger.info({ method: c.req.method, path, status, ms, correlationId }, "request");
  };
}

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
  const allowed = allowedMethods(app.routes, c.req.path);
  if (allowed.length === 0 || allowed.includes(c.req.method)) return notFound();
  return new HttpProblem("METHOD_NOT_ALLOWED", `Allowed here: ${allowed.join(", ")}.`, {
    headers: { Allow: allowed.join(", ") },
  });
}
