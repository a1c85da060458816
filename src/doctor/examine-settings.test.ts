import { expect, test } from "bun:test";
import { loadConfig } from "../config.ts";
import { examineSettings } from "./examine-settings.ts";

const stores = {
  DATABASE_URL: "postgres://localhost/x",
  KAFKA_BROKERS: "localhost:9092",
  JWT_SECRET: "x".repeat(32),
  DATA_KEY: Buffer.alloc(32).toString("base64"),
};
const warnings = (environment: Record<string, string>) =>
  examineSettings(loadConfig({ environment: { ...stores, ...environment } }, { serving: true }), [])
    .filter(({ verdict }) => verdict === "warn")
    .map(({ text }) => text);

test("a patience with the connector that outlasts the tries of what waits for a message is told of", () => {
  const cdc = { OUTBOX_PUBLISHER: "cdc" };
  expect(warnings(cdc)).toEqual([]);
  expect(warnings({ ...cdc, OUTBOX_CDC_PATIENCE: "79" })).toEqual([]);
  expect(warnings({ ...cdc, OUTBOX_CDC_PATIENCE: "80" }).join()).toContain("160 seconds late");
  expect(warnings({ OUTBOX_CDC_PATIENCE: "86400" })).toEqual([]);
});
