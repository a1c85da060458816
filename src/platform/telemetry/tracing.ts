/**
 * The port to tracing. A trace context is the text of a W3C `traceparent`: it travels in headers and
 * in rows, and a span is begun under the text that was found there. Nothing is ever decided by it,
 * and no span waits for whoever collects them.
 */
export type SpanKind = "server" | "client" | "producer" | "consumer" | "internal";
export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  readonly kind: SpanKind;
  /** Of what caused it; absent: a new trace begins. */
  readonly parent?: string | undefined;
  /** Other traces that have to do with it. */
  readonly links?: readonly (string | undefined)[];
  /** No personal data, no secrets. */
  readonly attributes?: Attributes;
  /** Now, unless it began earlier; wall time. */
  readonly startedAt?: Date;
}

export interface Span {
  /** What is caused inside it carries this; undefined where nothing is traced. */
  readonly traceparent: string | undefined;
  set(attributes: Attributes): void;
  /** Of an error only the kind is kept: its message may hold anything. */
  end(error?: unknown): void;
}

export interface Tracer {
  start(name: string, options: SpanOptions): Span;
  /** Sends what waits, for a bounded time. */
  close(): Promise<void>;
}

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const sampledFlag = 1;

export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
  readonly sampled: boolean;
}

/** Undefined for anything but a well-formed context of version 00 whose ids are not zero. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, traceId = "", spanId = "", flagText = ""] = pattern.exec(text ?? "") ?? [];
  if (traceId === "" || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const flags = Number.parseInt(flagText, 16);
  return { traceId, spanId, flags, sampled: (flags & sampledFlag) !== 0 };
}

export function formatTraceparent({
  traceId,
  spanId,
  flags,
}: Pick<TraceContext, "traceId" | "spanId" | "flags">): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, "0")}`;
}

/** For log lines; undefined where there is none. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  return parseTraceparent(traceparent)?.traceId;
}

/** A context to be known by, in logs and headers, where no span is kept. */
export function unsampledTraceparent(): string {
  const bytes = crypto.getRandomValues(Buffer.alloc(24));
  const hex = bytes.toString("hex");
  return formatTraceparent({ traceId: hex.slice(0, 32), spanId: hex.slice(32), flags: 0 });
}

/** Keeps nothing and passes on what it was given: callers need not ask whether tracing is on. */
export const passingTracer: Tracer = {
  start: (_name, { parent }) => passingSpan(parent),
  close: async () => undefined,
};

export function passingSpan(traceparent: string | undefined): Span {
  return { traceparent, set: nothing, end: nothing };
}

function nothing(): void {}
