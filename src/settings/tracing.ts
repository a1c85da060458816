/**
 * Where spans go and how many of them, under the names every OpenTelemetry program knows. Without an
 * endpoint nothing is traced and nothing of it is loaded.
 */
import { z } from "zod";

const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

const endpoint = z.string().regex(/^https?:\/\/\S+$/, { error: "an http(s) URL of a collector" });
/** key=value pairs as the specification writes them: comma between, percent-encoded. */
const pairs = z
  .string()
  .refine((text) => parsed(text) !== undefined, { error: "key=value,key=value" });
const ratio = z
  .string()
  .regex(/^(0(\.\d{1,9})?|1(\.0{1,9})?)$/, { error: "a number from 0 to 1" })
  .transform(Number);
const milliseconds = z
  .string()
  .regex(/^[1-9]\d{0,5}$/, { error: "milliseconds from 1 to 999999" })
  .transform(Number);
const yesNo = z
  .enum(["true", "false"], { error: "true or false" })
  .transform((text) => text === "true");

export const tracingSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: pairs.optional(),
  OTEL_EXPORTER_OTLP_TIMEOUT: milliseconds.default(10_000),
  OTEL_SERVICE_NAME: z.string().min(1).max(100).optional(),
  OTEL_RESOURCE_ATTRIBUTES: pairs.optional(),
  OTEL_TRACES_SAMPLER: z
    .enum(samplers, { error: `one of ${samplers.join(", ")}` })
    .default("parentbased_always_on"),
  OTEL_TRACES_SAMPLER_ARG: ratio.default(1),
  OTEL_SDK_DISABLED: yesNo.default(false),
};

/** A collector's headers hold its key. */
export const tracingSecretNames = ["OTEL_EXPORTER_OTLP_HEADERS"] as const;

type Settings = z.output<z.ZodObject<typeof tracingSettings>>;

export interface TracingConfig {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Describes this program, service.name among it. */
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: {
    readonly kind: "always_on" | "always_off" | "traceidratio";
    readonly ratio: number;
    /** What the caller decided holds. */
    readonly parentBased: boolean;
  };
}

/** Undefined: nothing is traced. */
export function tracingConfig(settings: Settings): TracingConfig | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own } = settings;
  const url = own ?? (base && `${base.replace(/\/+$/, "")}/v1/traces`);
  if (url === undefined || settings.OTEL_SDK_DISABLED) return undefined;
  const attributes = parsed(settings.OTEL_RESOURCE_ATTRIBUTES ?? "") ?? {};
  const name = settings.OTEL_SERVICE_NAME ?? attributes["service.name"] ?? "app";
  const sampler = settings.OTEL_TRACES_SAMPLER;
  return {
    url,
    headers: parsed(settings.OTEL_EXPORTER_OTLP_HEADERS ?? "") ?? {},
    timeoutMs: settings.OTEL_EXPORTER_OTLP_TIMEOUT,
    resource: { ...attributes, "service.name": name },
    sampler: {
      kind: sampler.replace("parentbased_", "") as "always_on" | "always_off" | "traceidratio",
      ratio: settings.OTEL_TRACES_SAMPLER_ARG,
      parentBased: sampler.startsWith("parentbased_"),
    },
  };
}

function parsed(text: string): Record<string, string> | undefined {
  const found: Record<string, string> = {};
  for (const part of text.split(",").filter((piece) => piece.trim() !== "")) {
    const [, key, value] = /^\s*([^=\s]+)\s*=(.*)$/.exec(part) ?? [];
    if (key === undefined || value === undefined) return undefined;
    try {
      found[decodeURIComponent(key)] = decodeURIComponent(value.trim());
    } catch {
      return undefined;
    }
  }
  return found;
}
