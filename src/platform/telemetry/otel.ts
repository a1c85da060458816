/**
 * Tracing by the OpenTelemetry SDK, exported over OTLP/HTTP in batches. Loaded only where a
 * collector is configured. A collector that is slow or away costs spans, never a request: the queue
 * is bounded and what does not fit is dropped.
 */
import { type Context, SpanKind as OtelKind, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-base";
import type { Clock } from "../clock.ts";
import type { Logger } from "./logger.ts";
import {
  formatTraceparent,
  parseTraceparent,
  passingSpan,
  type Span,
  type SpanKind,
  type Tracer,
} from "./tracing.ts";

export interface OtelOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: {
    readonly kind: "always_on" | "always_off" | "traceidratio";
    readonly ratio: number;
    readonly parentBased: boolean;
  };
  readonly clock: Pick<Clock, "monotonicMs" | "sleep">;
  readonly logger: Logger;
}

const kinds: Readonly<Record<SpanKind, OtelKind>> = {
  server: OtelKind.SERVER,
  client: OtelKind.CLIENT,
  producer: OtelKind.PRODUCER,
  consumer: OtelKind.CONSUMER,
  internal: OtelKind.INTERNAL,
};
const ERROR = 2;
/** Waiting spans: some 4 MB. */
const maxWaiting = 8_192;
const flushMs = 2_000;
const complainEveryMs = 60_000;

export function createOtelTracer(options: OtelOptions): Tracer {
  const { url, headers, timeoutMs, resource, sampler, clock } = options;
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
  });
  const processor = new BatchSpanProcessor(complaining(exporter, options), {
    maxQueueSize: maxWaiting,
    maxExportBatchSize: 512,
    scheduledDelayMillis: 1_000,
    exportTimeoutMillis: timeoutMs,
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ ...resource }),
    sampler: samplerOf(sampler),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer("app");
  return {
    start(name, { kind, parent, links = [], attributes, startedAt }) {
      const context = parseTraceparent(parent);
      // What nobody keeps needs no span of its own.
      if (sampler.parentBased && context !== undefined && !context.sampled) {
        return passingSpan(parent);
      }
      const span = tracer.startSpan(
        name,
        {
          kind: kinds[kind],
          links: links.flatMap(linkTo),
          ...(attributes && { attributes }),
          ...(startedAt && { startTime: startedAt }),
        },
        contextOf(parent),
      );
      return spanOf(span);
    },
    close: async () => {
      const done = new AbortController();
      await Promise.race([
        provider.shutdown().catch(() => undefined),
        clock.sleep(flushMs, done.signal),
      ]);
      done.abort();
    },
  };
}

function spanOf(span: ReturnType<ReturnType<BasicTracerProvider["getTracer"]>["startSpan"]>): Span {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: formatTraceparent({ traceId, spanId, flags: traceFlags }),
    set: (attributes) => void span.setAttributes({ ...attributes }),
    end: (error) => {
      if (error !== undefined) {
        const name = error instanceof Error ? error.name : typeof error;
        span.setAttribute("error.type", name);
        span.setStatus({ code: ERROR });
      }
      span.end();
    },
  };
}

function remote(text: string | undefined) {
  const found = parseTraceparent(text);
  if (found === undefined) return undefined;
  const { traceId, spanId, flags } = found;
  return { traceId, spanId, traceFlags: flags, isRemote: true };
}

function contextOf(parent: string | undefined): Context {
  const found = remote(parent);
  return found === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, found);
}

function linkTo(text: string | undefined) {
  const context = remote(text);
  return context === undefined ? [] : [{ context }];
}

function samplerOf({ kind, ratio, parentBased }: OtelOptions["sampler"]): Sampler {
  const root =
    kind === "traceidratio"
      ? new TraceIdRatioBasedSampler(ratio)
      : kind === "always_on"
        ? new AlwaysOnSampler()
        : new AlwaysOffSampler();
  return parentBased ? new ParentBasedSampler({ root }) : root;
}

/** Says so when spans are lost, and not more often than a person can bear. */
function complaining(
  exporter: SpanExporter,
  { clock, logger, url }: Pick<OtelOptions, "clock" | "logger" | "url">,
): SpanExporter {
  let lost = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  const { host } = new URL(url);
  return {
    shutdown: () => exporter.shutdown(),
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== 0) lost += spans.length;
        const now = clock.monotonicMs();
        if (lost > 0 && now - saidAt >= complainEveryMs) {
          logger.warn(
            { collector: host, lost },
            "spans were lost: the collector did not take them",
          );
          saidAt = now;
          lost = 0;
        }
        done(result);
      }),
  };
}
