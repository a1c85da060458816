import { expect, test } from "bun:test";
import { ConfigError, loadConfig } from "../config.ts";

const stores = {
  DATABASE_URL: "postgres://localhost/x",
  KAFKA_BROKERS: "localhost:9092",
  JWT_SECRET: "x".repeat(32),
  DATA_KEY: Buffer.alloc(32).toString("base64"),
};
const load = (environment: Record<string, string>) =>
  loadConfig({ environment }, { serving: true });

function problems(environment: Record<string, string>): readonly string[] {
  try {
    load({ OUTBOX_PUBLISHER: "cdc", ...environment });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ expected }) => expected);
    throw error;
  }
}

test("the relay publishes unless a connector is said to", () => {
  expect(load({}).OUTBOX_PUBLISHER).toBe("relay");
  expect(load({ ...stores, OUTBOX_PUBLISHER: "cdc" })).toMatchObject({
    OUTBOX_PUBLISHER: "cdc",
    OUTBOX_CDC_PATIENCE: 60,
  });
});

test("a connector needs a log it can read, a Kafka it can write, and frames nothing", () => {
  expect(problems({}).join()).toMatch(/DATABASE_URL.*KAFKA_BROKERS/);
  const registry = { KAFKA_SCHEMA_REGISTRY_URL: "http://registry:8081" };
  expect(problems({ ...stores, ...registry }).join()).toContain("does not frame values");
  expect(problems({ ...stores, OUTBOX_CDC_PATIENCE: "0" })).toHaveLength(1);
});
