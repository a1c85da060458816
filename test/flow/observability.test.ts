// K10, seeds A10, B4, D6, E6: what is measured of a sale, and what its messages and lines are known by.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { topics } from "#topics";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { fundedEscrow, type Sale } from "../support/sale.ts";
import { keepingLogger } from "../support/spill.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${traceId}-b7ad6b7169203331-00`;
const { logger, lines } = keepingLogger();
let app: TestApp;
let sale: Sale;

beforeAll(async () => {
  app = await startAppOn(await memoryStores(), {}, logger);
  sale = await fundedEscrow(app);
  const path = `/v1/escrows/${sale.escrowId}`;
  await sale.bob.post(`${path}/deliver`, { note: "sent" });
  const headers = { traceparent, "X-Correlation-Id": "followed" };
  const released = await sale.alice.post(`${path}/release`, {}, { headers });
  expect(released.headers.get("X-Trace-Id")).toBe(traceId);
  await app.settle();
}, 60_000);
afterAll(() => app.stop());

async function metrics(): Promise<string> {
  return (await fetch(`${app.url}/metrics`)).text();
}

function sampleOf(text: string, sample: string): number {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${sample} `));
  if (line === undefined) throw new Error(`not shown: ${sample}`);
  return Number(line.slice(sample.length + 1));
}

test("seeds D6, E6: a sale is seen in the metrics, by the names dashboards know", async () => {
  const text = await metrics();
  const above = (sample: string, least: number) =>
    expect({ sample, seen: sampleOf(text, sample) >= least }).toEqual({ sample, seen: true });
  above('kafka_events_processed_total{handler="escrow.commands",result="handled"}', 4);
  above('kafka_event_processing_duration_seconds_count{handler="escrow.commands"}', 1);
  above('kafka_outbox_published{schema="escrow"}', 5);
  above('kafka_outbox_published{schema="payments"}', 5);
  above("command_to_event_seconds_count", 4);
  above("webhook_to_event_seconds_count", 1);
  const call = 'provider="sandbox",call="TRANSFER",outcome="succeeded"';
  above(`provider_call_duration_seconds_count{${call}}`, 1);
  const release = 'method="POST",route="/v1/escrows/:id/release",status="200"';
  above(`http_request_duration_seconds_count{${release}}`, 1);
  for (const [sample, value] of [
    ['kafka_outbox_publish_errors{schema="escrow"}', 0],
    ['kafka_outbox_batch_failures{schema="escrow"}', 0],
    ['kafka_consumer_lag{group="escrow.commands",topic="escrow.commands.v1"}', 0],
    ['outbox_depth{schema="escrow"}', 0],
    ['outbox_oldest_age_seconds{schema="escrow"}', 0],
    ['parked_messages{schema="escrow"}', 0],
    ['provider_breaker_state{provider="sandbox"}', 0],
    ['money_held_minor{currency="USD"}', 0],
  ] as const) {
    expect({ sample, value: sampleOf(text, sample) }).toEqual({ sample, value });
  }
});

test("money in our hands is shown per currency", async () => {
  const other = await startAppOn(await memoryStores());
  await fundedEscrow(other);
  await other.settle();
  const text = await (await fetch(`${other.url}/metrics`)).text();
  expect(sampleOf(text, 'money_held_minor{currency="USD"}')).toBe(10_000);
  await other.stop();
}, 60_000);

test("no label is an id, and what a stranger asks for makes no new ones", async () => {
  for (const path of ["/v1/escrows/esc_unknown", "/no/such/path", "/v1/x"]) {
    await fetch(`${app.url}${path}`);
  }
  await fetch(`${app.url}/no/such`, { method: "BREW" });
  const text = await metrics();
  for (const word of ["esc_", "alice", "bob", "no/such", "BREW", "10000"]) {
    expect({ word, shown: text.includes(`"${word}`) || text.includes(`/${word}`) }).toEqual({
      word,
      shown: false,
    });
  }
  expect(text).toContain('route="none",status="404"');
});

test("seed A10: the trace a request names is on every message it led to, in the headers of both ages", async () => {
  const met = new Map<string, number>();
  for (const topic of [
    "escrowCommands",
    "escrowEvents",
    "paymentsCommands",
    "paymentsEvents",
  ] as const) {
    for (const { headers } of await recordsOf(topics[topic].name)) {
      if (headers["correlation-id"] !== "followed") continue;
      met.set(topic, (met.get(topic) ?? 0) + 1);
      expect(headers).toMatchObject({
        traceparent,
        "x-trace-id": traceId,
        "x-span-id": "b7ad6b7169203331",
      });
    }
  }
  expect(met.get("escrowCommands")).toBe(1);
  expect(met.get("paymentsCommands")).toBe(1);
  expect(met.get("escrowEvents")).toBeGreaterThanOrEqual(2);
  expect(met.get("paymentsEvents")).toBeGreaterThanOrEqual(3);
});

test("a request without a trace begins one; what is malformed is not passed on", async () => {
  for (const given of [undefined, "00-0-0-01", `00-${"0".repeat(32)}-b7ad6b7169203331-01`]) {
    const answer = await sale.alice.get("/v1/escrows", given ? { traceparent: given } : {});
    expect(answer.headers.get("X-Trace-Id")).toMatch(/^[0-9a-f]{32}$/);
    expect(answer.headers.get("X-Trace-Id")).not.toMatch(/^0+$/);
  }
  const all = await recordsOf(topics.escrowCommands.name);
  expect(all.every(({ headers }) => headers.traceparent !== undefined)).toBe(true);
});

test("seed B4: a message that is set aside is named by its escrow, correlation id and trace", async () => {
  const key = sale.escrowId;
  const producer = app.server.log.createProducer();
  const headers = {
    "message-id": "poison",
    "message-type": "poison",
    "correlation-id": "poisoned",
    traceparent,
  };
  const value = Buffer.from([0xff, 0xff]);
  await producer.send([{ topic: topics.escrowCommands.name, key, value, headers }]);
  await producer.close();
  const line = await untilLine((text) => text.includes("set aside") && text.includes("poison"));
  expect(line).toContain(key);
  expect(line).toContain("poisoned");
  expect(line).toContain(traceId);
});

test("seed D6: a listener meets the trace of its message, and is measured like every other", async () => {
  const { listeners } = app.server.application;
  const met: (string | undefined)[] = [];
  listeners.registerHandler({
    name: "watcher",
    on: topics.escrowEvents.name,
    types: ["EscrowReleased"],
    fromBeginning: true,
    handle: (_, { span, correlationId }) => {
      met.push(correlationId, span.traceparent);
    },
  });
  for (const end = performance.now() + 30_000; met.length === 0; await Bun.sleep(20)) {
    expect(performance.now()).toBeLessThan(end);
  }
  expect(met).toEqual(["followed", traceparent]);
  const group = `watcher.${topics.escrowEvents.name}`;
  const text = await metrics();
  expect(sampleOf(text, `kafka_events_processed_total{handler="${group}",result="handled"}`)).toBe(
    1,
  );
  const lag = `kafka_consumer_lag{group="${group}",topic="${topics.escrowEvents.name}"}`;
  expect(text).toContain(lag);
  await listeners.unregisterHandler("watcher");
});

async function recordsOf(topic: string) {
  const found = [];
  for (const { partition, low, end } of await app.server.log.ends([topic])) {
    if (end > low) found.push(...(await app.server.log.read(topic, partition, low, 1_000)));
  }
  return found;
}

async function untilLine(wanted: (text: string) => boolean): Promise<string> {
  for (const end = performance.now() + 30_000; performance.now() < end; await Bun.sleep(20)) {
    const line = lines.find(wanted);
    if (line !== undefined) return line;
  }
  throw new Error("nobody said so");
}
