/**
 * An OpenTelemetry collector in memory: takes spans over OTLP/HTTP as JSON and keeps them. It can be
 * made to hang, to see that nobody waits for it.
 */
export interface KeptSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** As OTLP numbers them: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly failed: boolean;
}

export interface Collector {
  readonly url: string;
  spans(): readonly KeptSpan[];
  /** The headers of the last export. */
  headers(): Headers | undefined;
  /** Everything as it came. */
  text(): string;
  /** From now on no export is answered. */
  hang(): void;
  requests(): number;
  stop(): Promise<void>;
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes?: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number };
}
interface OtlpExport {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes?: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

export function startCollector(): Collector {
  const kept: KeptSpan[] = [];
  const bodies: string[] = [];
  let hanging = false;
  let requests = 0;
  let last: Headers | undefined;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 120,
    fetch: async (request) => {
      requests += 1;
      if (hanging) await new Promise(() => undefined);
      if (new URL(request.url).pathname !== "/v1/traces") return new Response("", { status: 404 });
      last = request.headers;
      const text = await request.text();
      bodies.push(text);
      kept.push(...spansIn(JSON.parse(text) as OtlpExport));
      return Response.json({});
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    spans: () => kept,
    headers: () => last,
    text: () => bodies.join("\n"),
    hang: () => {
      hanging = true;
    },
    requests: () => requests,
    stop: () => server.stop(true),
  };
}

function spansIn({ resourceSpans }: OtlpExport): KeptSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map((span) => keptSpan(span, resource.attributes))),
  );
}

function keptSpan(span: OtlpSpan, resource: readonly OtlpAttribute[] = []): KeptSpan {
  const { traceId, spanId, parentSpanId = "", name, kind, attributes = [], links = [] } = span;
  const failed = span.status?.code === 2;
  const own = { traceId, spanId, parentSpanId, name, kind, links, failed };
  return { ...own, attributes: textsOf(attributes), resource: textsOf(resource) };
}

function textsOf(attributes: readonly OtlpAttribute[]): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]),
  );
}
