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

test("an address nobody can listen on is told as a start would", () => {
  const found = (HOST: string) =>
    examineSettings(loadConfig({ environment: { ...stores, HOST } }, { serving: true }), []);
  expect(found("192.0.2.1")).toContainEqual(
    expect.objectContaining({
      verdict: "fail",
      text: "`app serve` cannot listen",
      remedy: expect.stringContaining('HOST: "192.0.2.1"; expected an address of this machine'),
    }),
  );
  expect(found("127.0.0.1").map(({ verdict }) => verdict)).toEqual(["ok"]);
});
