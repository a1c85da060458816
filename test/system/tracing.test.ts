/**
 * K10, seeds A10, B4, D6: a release followed through five processes and a collector, over the table
 * log and over Kafka: one trace from the request to the confirmed transfer. Nobody waits for the
 * collector.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type Collector, type KeptSpan, startCollector } from "../support/collector.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { type Fleet, startFleet } from "../support/fleet.ts";
import { killAll, runApp, startApp } from "../support/processes.ts";
import { runTracedSale, type Step, type TracedSale } from "../support/traced-sale.ts";

const roles = ["api", "escrow", "payments", "projections", "outbox"];
const secret = "a secret for this test, thirty-two bytes";
const dataKey = Buffer.alloc(32, 7).toString("base64");
const brokers = process.env.KAFKA_BROKERS;
const logs: readonly (readonly [string, Record<string, string>])[] = [
  ["the table log", { KAFKA_ENABLED: "false" }],
  ...(brokers === undefined
    ? []
    : ([
        [
          "Kafka",
          {
            KAFKA_BROKERS: brokers,
            KAFKA_TOPIC_PREFIX: `t${crypto.randomUUID()}.`,
            KAFKA_REQUEST_TIMEOUT: "30000",
          },
        ],
      ] as const)),
];

afterAll(() => killAll(), 60_000);

describe.each(logs)("over %s", (_, log) => {
  let place: Place;
  let postgres: FreshPostgres;
  let collector: Collector;
  let fleet: Fleet;
  let sale: TracedSale;

  beforeAll(async () => {
    [place, postgres] = await Promise.all([emptyPlace(), freshPostgres()]);
    collector = startCollector();
    const env = {
      ...log,
      DATABASE_URL: postgres.url,
      JWT_SECRET: secret,
      DATA_KEY: dataKey,
      RATE_LIMIT_PER_SECOND: "100000",
      LOG_LEVEL: "debug",
      LOG_FORMAT: "json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: "x-collector-key=canary-of-the-collector",
      OTEL_SERVICE_NAME: "marketplace",
      OTEL_RESOURCE_ATTRIBUTES: "team=money,zone=a%20b",
    };
    for (const command of ["migrate", "topics"]) {
      const { code, stderr } = await runApp(place, [command], env);
      expect({ command, code, stderr }).toMatchObject({ code: 0 });
    }
    fleet = await startFleet(place, roles, env);
    sale = await runTracedSale({ url: fleet.url("api"), secret });
    await confirmed(collector, sale, "release");
  }, 180_000);

  afterAll(async () => {
    await killAll();
    await postgres?.drop();
    await collector?.stop();
  }, 60_000);

  test("K10: from the client's request to the confirmed transfer and the read model there is one trace", () => {
    const { traceId, spanId, answered } = sale.traces.release;
    expect(answered).toBe(traceId);
    const trace = collector.spans().filter((span) => span.traceId === traceId);
    const byId = new Map(trace.map((span) => [span.spanId, span]));
    for (const { name, parentSpanId } of trace) {
      expect({ name, known: parentSpanId === spanId || byId.has(parentSpanId) }).toEqual({
        name,
        known: true,
      });
    }
    expect(chain(trace, "projections.escrow-events", "escrow.v1.EscrowReleased")).toEqual([
      "POST /v1/escrows/:id/release",
      "escrow.commands.v1 send",
      "escrow.commands.v1 process",
      "payments.commands.v1 process",
      "sandbox read transfer",
      "payments.events.v1 process",
      "escrow.events.v1 process",
    ]);
    const call = trace.find(({ name }) => name === "sandbox call TRANSFER");
    expect(call?.attributes).toMatchObject({
      "app.outcome": "succeeded",
      "app.escrow_id": sale.escrowId,
    });
    expect(byId.get(call?.parentSpanId ?? "")?.name).toBe("payments.commands.v1 process");
    expect(byId.get(call?.parentSpanId ?? "")?.kind).toBe(5);
    // What the outbox sent is a child of the span that said it, whose context the row kept.
    const sent = trace.filter((span) => span.attributes["app.outbox"] === "true");
    expect(new Set(sent.map(({ name }) => name))).toEqual(
      new Set(["escrow.events.v1 send", "payments.commands.v1 send", "payments.events.v1 send"]),
    );
    expect(new Set(sent.map(({ resource }) => resource["app.role"]))).toEqual(new Set(["outbox"]));
    expect(new Set(trace.map(({ resource }) => resource["app.role"]))).toEqual(new Set(roles));
    expect(trace.every(({ failed }) => !failed)).toBe(true);
  });

  test("K10: what the provider's webhook led to stands under the call it is about, linked to the webhook", () => {
    const { traceId } = sale.traces.release;
    const trace = collector.spans().filter((span) => span.traceId === traceId);
    const told = trace.find(({ name }) => name === "sandbox webhook transfer.succeeded");
    const [link] = told?.links ?? [];
    const webhook = collector.spans().filter((span) => span.traceId === link?.traceId);
    expect(webhook.map(({ name }) => name)).toContain("POST /v1/webhooks/:provider");
    expect(webhook.map(({ name }) => name)).toContain("webhook.events.v1 process");
    expect(chain(trace, "projections.payments-events", "payments.v1.WebhookHandled").at(-2)).toBe(
      "sandbox webhook transfer.succeeded",
    );
  });

  test("standard names describe the program, and the collector gets its key", () => {
    const [first] = collector.spans();
    expect(first?.resource).toMatchObject({
      "service.name": "marketplace",
      team: "money",
      zone: "a b",
    });
    expect(collector.headers()?.get("x-collector-key")).toBe("canary-of-the-collector");
  });

  test("seed B4: the log lines of every role about a message bear its correlation id, escrow and trace", () => {
    const { traceId } = sale.traces.release;
    for (const { role, app } of fleet.members) {
      const lines = app
        .stderr()
        .split("\n")
        .filter((line) => line.includes(traceId))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      // The outbox handles nothing: it speaks of a message only when the log refuses it.
      if (role === "outbox") continue;
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) {
        expect(line).toMatchObject({ role, traceId, correlationId: expect.any(String) });
        if (role !== "api") expect(line.escrowId).toBe(sale.escrowId);
      }
    }
  });

  test("bad input B28: spans, lines at their loudest and metrics hold no word, name or secret", async () => {
    const metrics = await Promise.all(
      fleet.members.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()),
    );
    const lines = fleet.members.map(({ app }) => app.stderr());
    const told = [collector.text(), ...lines, ...metrics].join("\n");
    const words = [
      "A used lens",
      "tracking 123",
      secret,
      dataKey,
      "Bearer",
      "canary-of-the-collector",
    ];
    for (const word of words)
      expect({ word, told: told.includes(word) }).toEqual({ word, told: false });
    expect(collector.text()).not.toContain("alice");
  });

  test("what the caller does not want sampled leaves no span", async () => {
    const quiet = await runTracedSale({ url: fleet.url("api"), secret, sampled: false });
    const loud = await runTracedSale({ url: fleet.url("api"), secret });
    await confirmed(collector, loud, "release");
    const ids = Object.values(quiet.traces).map(({ traceId }) => traceId);
    expect(quiet.traces.release.answered).toBe(quiet.traces.release.traceId);
    expect(collector.spans().filter(({ traceId }) => ids.includes(traceId))).toEqual([]);
  }, 120_000);

  test("a collector that answers no more loses no sale and holds up no stop", async () => {
    collector.hang();
    const before = collector.requests();
    const { escrowId } = await runTracedSale({ url: fleet.url("api"), secret });
    expect(escrowId).toStartWith("esc_");
    while (collector.requests() === before) await Bun.sleep(50);
    for (const { role, code, ms } of await fleet.stop()) {
      expect({ role, code }).toEqual({ role, code: 0 });
      expect(ms).toBeLessThan(20_000);
    }
  }, 180_000);
});

test("a collector that is away costs its spans and one line, nothing else", async () => {
  const place = await emptyPlace();
  const app = startApp(place, ["--port", "0", "--memory"], {
    JWT_SECRET: secret,
    LOG_FORMAT: "json",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
    OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
  });
  const url = await app.ready();
  await runTracedSale({ url, secret });
  await runTracedSale({ url, secret });
  const lines = () =>
    app
      .stderr()
      .split("\n")
      .filter((line) => line.includes("spans were lost"));
  for (const end = performance.now() + 60_000; lines().length === 0; await Bun.sleep(100)) {
    expect(performance.now()).toBeLessThan(end);
  }
  expect(lines()).toHaveLength(1);
  expect((await app.stop()).code).toBe(0);
}, 120_000);

/** Spans come in batches, and from five processes. */
async function confirmed(collector: Collector, sale: TracedSale, step: Step): Promise<void> {
  const { traceId } = sale.traces[step];
  for (const end = performance.now() + 60_000; performance.now() < end; await Bun.sleep(100)) {
    const trace = collector.spans().filter((span) => span.traceId === traceId);
    const ids = new Set(trace.map(({ spanId }) => spanId));
    const roots = trace.filter(({ parentSpanId }) => !ids.has(parentSpanId));
    const ended = ["EscrowReleased", "WebhookHandled"].every((type) =>
      trace.some((span) => span.attributes["app.message_type"]?.endsWith(type)),
    );
    const sent = trace.filter((span) => span.attributes["app.outbox"] === "true").length;
    if (ended && roots.length === 1 && sent > 8) return;
  }
  throw new Error("the trace did not become whole");
}

/** Names from the request down to the span in which this handler met a message of this type. */
function chain(trace: readonly KeptSpan[], group: string, type: string): string[] {
  const names: string[] = [];
  let span = trace.find(
    ({ attributes }) =>
      attributes["messaging.consumer.group.name"] === group &&
      attributes["app.message_type"] === type,
  );
  while (span !== undefined) {
    names.unshift(span.name);
    const parent = span.parentSpanId;
    span = trace.find(({ spanId }) => spanId === parent);
  }
  return names;
}
