/**
 * Webhooks into `--role=api`: signature, sealing, gathered send, acknowledged by all replicas, 200.
 * They arrive at a steady rate whether or not the ones before were answered, as a provider sends them.
 */
import { signatureOf, startStripeSimulator } from "../src/simulators/stripe/index.ts";
import { emptyPlace } from "../test/support/binary.ts";
import { startApp } from "../test/support/processes.ts";
import { openRound, type Servers } from "./environment.ts";
import { type Figure, percentile } from "./measure.ts";

const perS = 200;
const warmupMs = 2_000;
const measuredMs = 8_000;
const tickMs = 5;
const secret = "whsec_of_the_bench";
const bodyBytes = 2_000;

export async function webhookFigures(servers: Servers): Promise<Figure[]> {
  const round = await openRound(servers);
  const stripe = startStripeSimulator({ goesOn: false });
  const app = startApp(await emptyPlace(), ["--role=api", "--port", "0"], {
    ...round.environment,
    STRIPE_SECRET_KEY: "sk_test_bench",
    STRIPE_PUBLISHABLE_KEY: "pk_test_bench",
    STRIPE_WEBHOOK_SECRET: secret,
    STRIPE_CONNECT_WEBHOOK_SECRET: "whsec_of_connect",
    STRIPE_API_BASE: stripe.url,
  });
  try {
    const url = `${await app.ready()}/v1/webhooks/stripe`;
    const latencies = await deliver(url);
    return [
      {
        name: `a webhook acknowledged, p95 at ${perS}/s`,
        value: percentile(latencies, 0.95),
        unit: "ms",
        against: "goal",
        other: 100,
        lowerIsBetter: true,
      },
    ];
  } finally {
    await app.stop();
    await stripe.stop();
    await round.close();
  }
}

async function deliver(url: string): Promise<number[]> {
  const begun = performance.now();
  const latencies: number[] = [];
  const all: Promise<void>[] = [];
  const send = async (n: number): Promise<void> => {
    const dueAt = begun + (n / perS) * 1_000;
    const body = eventBody(n);
    const headers = { "Stripe-Signature": signatureOf(body, secret, new Date()) };
    const response = await fetch(url, { method: "POST", headers, body });
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
    if (dueAt - begun > warmupMs) latencies.push(performance.now() - dueAt);
  };
  for (;;) {
    const elapsed = Math.min(performance.now() - begun, warmupMs + measuredMs);
    while (all.length < (elapsed / 1_000) * perS) all.push(send(all.length));
    if (elapsed >= warmupMs + measuredMs) break;
    await Bun.sleep(tickMs);
  }
  await Promise.all(all);
  return latencies;
}

function eventBody(n: number): string {
  const created = Math.floor(Date.now() / 1_000);
  return JSON.stringify({
    id: `evt_${n}`,
    object: "event",
    type: "payment_intent.succeeded",
    api_version: "2026-10-28.endive",
    created,
    livemode: false,
    pending_webhooks: 1,
    request: null,
    data: {
      object: { id: `pi_${n}`, object: "payment_intent", description: "x".repeat(bodyBytes) },
    },
  });
}
