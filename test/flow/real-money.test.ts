/**
 * O6: the same server as in production, where nothing may play money. Its stores are in memory and
 * its Stripe is the simulator, which the settings alone would refuse there.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { silentLogger } from "#platform/telemetry/logger";
import { bindListener } from "../../src/cli/http-listener.ts";
import { type Server, startOn } from "../../src/cli/serve.ts";
import type { Config } from "../../src/config.ts";
import { mintToken } from "../../src/platform/http/token.ts";
import { type StripeSimulator, startStripeSimulator } from "../../src/simulators/stripe/index.ts";
import { createOffset } from "../../src/test-clock/test-clock.ts";
import { memoryStores, testConfig } from "../support/app.ts";
import { stripeSecrets } from "../support/stripe-harness.ts";

setDefaultTimeout(60_000);

const secret = "a secret for tests, thirty-two bytes and more";
let server: Server;
let config: Config;
let simulator: StripeSimulator;
beforeAll(async () => {
  simulator = startStripeSimulator();
  const settings = testConfig({
    JWT_SECRET: secret,
    STRIPE_SECRET_KEY: "sk_test_of_tests",
    STRIPE_WEBHOOK_SECRET: stripeSecrets.platform,
    STRIPE_API_BASE: simulator.url,
  });
  config = { ...settings, APP_ENV: "production" };
  const listener = bindListener(config);
  server = await startOn({ config, stores: await memoryStores(), logger: silentLogger, listener });
});
afterAll(async () => {
  await server.stop();
  await simulator.stop();
});

async function post(path: string, body: object, ...roles: string[]) {
  const token = await mintToken({
    secret: new TextEncoder().encode(secret),
    sub: "alice",
    roles,
    issuer: "app",
    audience: "app",
    ttl: 600,
  });
  const answer = await fetch(`${server.url}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: {
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      "Idempotency-Key": crypto.randomUUID(),
      Prefer: "wait=5",
    },
  });
  return { status: answer.status, body: (await answer.json()) as { code?: string } };
}

test.each([
  ["/sandbox/clock/advance", { by: "P1D" }],
  ["/sandbox/payments/pay_1/pay", {}],
  ["/sandbox/parties/alice/readiness", { ready: true }],
  ["/v1/webhooks/sandbox", {}],
])("O6: %s is not there", async (path, body) => {
  expect((await post(path, body, "admin")).status).toBe(404);
});

test("O6: no deal is over the sandbox, named or not", async () => {
  const deal = { buyerId: "alice", sellerId: "bob", title: "A lens" };
  const usd = { ...deal, amount: { amount: "10000", currency: "USD" } };
  const named = await post("/v1/escrows", { ...usd, terms: { provider: "sandbox" } }, "buyer");
  expect(named.body.code).toBe("PROVIDER_UNSUPPORTED");
  const unnamed = await post("/v1/escrows", usd, "buyer");
  expect(unnamed.body).toMatchObject({ escrow: { state: "PROPOSED" } });
  const usdc = { ...deal, amount: { amount: "10000000", currency: "USDC" } };
  expect((await post("/v1/escrows", usdc, "buyer")).body.code).toBe("PROVIDER_UNSUPPORTED");
});

test("a start that is refused closes its listener and its stores", async () => {
  const stores = await memoryStores();
  await createOffset().store(stores.databases, 1n);
  const listener = bindListener(config);
  await expect(startOn({ config, stores, logger: silentLogger, listener })).rejects.toThrow(
    "test clock is",
  );
  await expect(fetch(listener.url)).rejects.toThrow();
  await expect(stores.databases.escrow.sql`SELECT 1`).rejects.toThrow();
});
