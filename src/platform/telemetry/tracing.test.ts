// K10: what is taken for a trace context, and that a program that traces nothing passes it on.
import { expect, test } from "bun:test";
import { createManualClock } from "../clock-manual.ts";
import { silentLogger } from "./logger.ts";
import { createOtelTracer } from "./otel.ts";
import { parseTraceparent, passingTracer, traceIdOf, unsampledTraceparent } from "./tracing.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const sampled = `00-${traceId}-${spanId}-01`;
const unsampled = `00-${traceId}-${spanId}-00`;

test("a context is read as W3C writes it; anything else is none", () => {
  expect(parseTraceparent(sampled)).toEqual({ traceId, spanId, flags: 1, sampled: true });
  expect(parseTraceparent(unsampled)?.sampled).toBe(false);
  const zeros = [`00-${"0".repeat(32)}-${spanId}-01`, `00-${traceId}-${"0".repeat(16)}-01`];
  const others = ["", "x", sampled.toUpperCase(), `ff${sampled.slice(2)}`, `${sampled}-more`];
  for (const text of [undefined, ...zeros, ...others]) {
    expect({ text, found: parseTraceparent(text) }).toEqual({ text, found: undefined });
  }
});

test("a context of our own is well-formed, unsampled and never the same", () => {
  const [one, two] = [unsampledTraceparent(), unsampledTraceparent()];
  expect(parseTraceparent(one)?.sampled).toBe(false);
  expect(traceIdOf(one)).not.toBe(traceIdOf(two));
});

test("where nothing is traced a span has its parent's context", () => {
  expect(passingTracer.start("x", { kind: "client", parent: sampled }).traceparent).toBe(sampled);
  expect(passingTracer.start("x", { kind: "client" }).traceparent).toBeUndefined();
});

const tracerOf = (kind: "always_on" | "always_off" | "traceidratio", parentBased: boolean) =>
  createOtelTracer({
    url: "http://127.0.0.1:1/v1/traces",
    headers: {},
    timeoutMs: 100,
    resource: {},
    sampler: { kind, ratio: 0, parentBased },
    clock: createManualClock(),
    logger: silentLogger,
  });

test("a span continues its parent's trace under an id of its own; what is unsampled passes through", () => {
  const tracer = tracerOf("always_on", true);
  const inside = parseTraceparent(
    tracer.start("x", { kind: "server", parent: sampled }).traceparent,
  );
  expect(inside).toMatchObject({ traceId, sampled: true });
  expect(inside?.spanId).not.toBe(spanId);
  const passed = tracer.start("x", { kind: "server", parent: unsampled });
  expect(passed.traceparent).toBe(unsampled);
});

test("the sampler decides where a trace begins, and everywhere when it does not heed its parent", () => {
  const begun = (tracer: ReturnType<typeof tracerOf>, parent?: string) =>
    parseTraceparent(tracer.start("x", { kind: "server", parent }).traceparent)?.sampled;
  expect(begun(tracerOf("always_on", true))).toBe(true);
  expect(begun(tracerOf("always_off", true))).toBe(false);
  expect(begun(tracerOf("traceidratio", true))).toBe(false);
  expect(begun(tracerOf("traceidratio", true), sampled)).toBe(true);
  expect(begun(tracerOf("always_off", false), sampled)).toBe(false);
  expect(begun(tracerOf("always_on", false), unsampled)).toBe(true);
});
