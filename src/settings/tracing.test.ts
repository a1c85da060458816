// K10: tracing is switched on, and told where to, by the names every OpenTelemetry program knows.
import { expect, test } from "bun:test";
import { ConfigError, loadConfig, shownSettings } from "../config.ts";
import { tracingConfig } from "./tracing.ts";

const load = (environment: Record<string, string>) =>
  loadConfig({ environment }, { serving: false });
const of = (environment: Record<string, string>) => tracingConfig(load(environment));
const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" };

test("without an endpoint, or switched off, nothing is traced", () => {
  expect(of({})).toBeUndefined();
  expect(of({ OTEL_SERVICE_NAME: "shop", OTEL_TRACES_SAMPLER: "always_on" })).toBeUndefined();
  expect(of({ ...endpoint, OTEL_SDK_DISABLED: "true" })).toBeUndefined();
});

test("the traces' own endpoint is taken as it is, the common one has its path added", () => {
  expect(of(endpoint)?.url).toBe("http://collector:4318/v1/traces");
  const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://other/in" };
  expect(of({ ...endpoint, ...own })?.url).toBe("https://other/in");
});

test("names, attributes, headers and the sampler are read as the specification writes them", () => {
  const wanted = of({
    ...endpoint,
    OTEL_SERVICE_NAME: "shop",
    OTEL_RESOURCE_ATTRIBUTES: "service.name=other, team=a%20b",
    OTEL_EXPORTER_OTLP_HEADERS: "api-key=s=cret,x=1",
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.25",
  });
  expect(wanted).toMatchObject({
    resource: { "service.name": "shop", team: "a b" },
    headers: { "api-key": "s=cret", x: "1" },
    sampler: { kind: "traceidratio", ratio: 0.25, parentBased: true },
  });
  expect(of(endpoint)).toMatchObject({
    resource: { "service.name": "app" },
    sampler: { kind: "always_on", parentBased: true },
  });
  const bare = of({ ...endpoint, OTEL_TRACES_SAMPLER: "always_off" });
  expect(bare?.sampler).toMatchObject({ kind: "always_off", parentBased: false });
});

test("bad input B29: every wrong one is named at once, and the collector's key is shown nowhere", () => {
  const wrong = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318",
    OTEL_EXPORTER_OTLP_HEADERS: "canary-without-name",
    OTEL_RESOURCE_ATTRIBUTES: "a=%zz",
    OTEL_TRACES_SAMPLER: "sometimes",
    OTEL_TRACES_SAMPLER_ARG: "2",
    OTEL_EXPORTER_OTLP_TIMEOUT: "soon",
  };
  let message = "";
  try {
    load(wrong);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    message = error.message;
  }
  for (const name of Object.keys(wrong)) expect(message).toContain(name);
  expect(message).not.toContain("canary");
  const environment = { ...endpoint, OTEL_EXPORTER_OTLP_HEADERS: "api-key=canary" };
  const shown = shownSettings(load(environment), { environment });
  const headers = shown.find(({ name }) => name === "OTEL_EXPORTER_OTLP_HEADERS");
  expect(headers).toMatchObject({ value: "***", origin: "environment", secret: true });
});
