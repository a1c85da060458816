/**
 * Around every request: the correlation id in and out, the trace it belongs to, the security headers,
 * its duration and one log line. A trace a caller has begun is continued; what is malformed is not.
 */
import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { Clock } from "../clock.ts";
import type { HttpEnv } from "../module.ts";
import type { Logger } from "../telemetry/logger.ts";
import {
  parseTraceparent,
  type Tracer,
  traceIdOf,
  unsampledTraceparent,
} from "../telemetry/tracing.ts";

export interface ServedRequest {
  readonly method: string;
  /** The pattern, not the path: paths hold ids. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

export interface EnvelopeOptions {
  readonly logger: Logger;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly tracer: Tracer;
  readonly onServed?: ((request: ServedRequest) => void) | undefined;
}

const correlationPattern = /^[A-Za-z0-9_-]{1,64}$/;
const securityHeaders = {
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
};
const methods = new Set(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]);
/** Asked every few seconds by machines: their spans would drown the rest. */
const untraced = new Set(["/healthz", "/readyz", "/metrics"]);

export function envelope(options: EnvelopeOptions): MiddlewareHandler<HttpEnv> {
  const { logger, clock, tracer, onServed } = options;
  return async (c, next) => {
    const startedMs = clock.monotonicMs();
    const given = c.req.header("X-Correlation-Id");
    const correlationId =
      given !== undefined && correlationPattern.test(given) ? given : crypto.randomUUID();
    c.set("correlationId", correlationId);
    const method = methods.has(c.req.method) ? c.req.method : "other";
    const route = matchedRoutes(c).findLast((found) => found.method !== "ALL")?.path ?? "none";
    const span = untraced.has(route)
      ? undefined
      : tracer.start(`${method} ${route}`, {
          kind: "server",
          parent: incoming(c.req.header("traceparent")),
          attributes: {
            "http.request.method": method,
            "http.route": route,
            "app.correlation_id": correlationId,
          },
        });
    const traceparent = span?.traceparent ?? unsampledTraceparent();
    const traceId = traceIdOf(traceparent);
    c.set("traceparent", traceparent);
    await next();
    const { headers, status } = c.res;
    headers.set("X-Correlation-Id", correlationId);
    if (traceId !== undefined) headers.set("X-Trace-Id", traceId);
    for (const [name, value] of Object.entries(securityHeaders)) {
      if (!headers.has(name)) headers.set(name, value);
    }
    span?.set({ "http.response.status_code": status });
    span?.end(status >= 500 ? c.error : undefined);
    const durationMs = clock.monotonicMs() - startedMs;
    onServed?.({ method, route, status, durationMs });
    const ms = Math.round(durationMs * 10) / 10;
    // The path only: a query may hold what must not be kept.
    const path = c.req.path.slice(0, 200);
    logger.info({ method: c.req.method, path, status, ms, correlationId, traceId }, "request");
  };
}

function incoming(traceparent: string | undefined): string | undefined {
  return parseTraceparent(traceparent) && traceparent;
}
