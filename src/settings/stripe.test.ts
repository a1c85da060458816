/** O6: the wall between play and real money, as the command line meets it. */
import { describe, expect, test } from "bun:test";
import { ConfigError, loadConfig, ProductionRefused } from "../config.ts";
import { stripeConfig, stripeLimits } from "./stripe.ts";

const test_ = {
  STRIPE_SECRET_KEY: "sk_test_1",
  STRIPE_WEBHOOK_SECRET: "whsec_1,whsec_2",
  STRIPE_CONNECT_WEBHOOK_SECRET: "whsec_3",
};
const live = { ...test_, STRIPE_SECRET_KEY: "sk_live_1" };
const production = {
  APP_ENV: "production",
  DATABASE_URL: "postgres://localhost/x",
  KAFKA_ENABLED: "false",
  JWT_SECRET: "x".repeat(32),
  DATA_KEY: Buffer.alloc(32).toString("base64"),
};

const load = (environment: Record<string, string>) =>
  loadConfig({ environment }, { serving: true });

function refusal(environment: Record<string, string>): unknown {
  try {
    load(environment);
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("O6: a key of one mode meets nothing of the other", () => {
  test("a test key serves in development, a live one in production", () => {
    expect(stripeConfig(load(test_))).toMatchObject({
      live: false,
      webhookSecrets: { platform: ["whsec_1", "whsec_2"], connect: ["whsec_3"] },
    });
    expect(stripeConfig(load({ ...production, ...live }))?.live).toBe(true);
  });

  test.each([
    ["a live key outside production", live, "APP_ENV=production"],
    ["a test key in production", { ...production, ...test_ }, "a live key in production"],
    [
      "a simulator in production",
      { ...production, ...live, STRIPE_API_BASE: "http://localhost:1" },
      "STRIPE_API_BASE",
    ],
    [
      "no endpoint for connected accounts in production",
      { ...production, ...live, STRIPE_CONNECT_WEBHOOK_SECRET: "" },
      "STRIPE_CONNECT_WEBHOOK_SECRET",
    ],
  ])("%s is refused for safety", (_, environment, said) => {
    const error = refusal(environment);
    expect(error).toBeInstanceOf(ProductionRefused);
    expect(String(error)).toContain(said);
    expect(String(error)).not.toContain("sk_live_1");
  });

  test.each([
    [
      "keys of two modes",
      { ...test_, STRIPE_PUBLISHABLE_KEY: "pk_live_1" },
      'STRIPE_PUBLISHABLE_KEY (environment): "pk_live_…"; expected pk_test_…, the mode of STRIPE_SECRET_KEY',
    ],
    ["a key without the endpoint's secret", { STRIPE_SECRET_KEY: "sk_test_1" }, "WEBHOOK_SECRET"],
    ["a secret without a key", { STRIPE_WEBHOOK_SECRET: "whsec_1" }, "STRIPE_SECRET_KEY"],
    ["what is no key", { ...test_, STRIPE_SECRET_KEY: "hunter2" }, "STRIPE_SECRET_KEY"],
  ])("%s is a wrong setting", (_, environment, said) => {
    const error = refusal(environment);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain(said);
    expect(String(error)).not.toContain("hunter2");
  });
});

test("P4: about 10,000 USD is the most Stripe carries, until it is set for a currency", () => {
  const limits = stripeLimits(load({ ...test_, STRIPE_MAX_AMOUNT: "EUR=500" }));
  expect(limits.get("stripe USD")).toBe(1_000_000n);
  expect(limits.get("stripe EUR")).toBe(500n);
});
