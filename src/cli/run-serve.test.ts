// The banner names addresses that something is served at.
import { expect, test } from "bun:test";
import { createSystemClock } from "#platform/clock-system";
import { loadConfig } from "../config.ts";
import { banner } from "./run-serve.ts";

const environment = {
  DATABASE_URL: "postgres://localhost/x",
  KAFKA_BROKERS: "localhost:9092",
  JWT_SECRET: "x".repeat(32),
  DATA_KEY: Buffer.alloc(32).toString("base64"),
};
const clock = createSystemClock();
const server = { url: "http://127.0.0.1:3004", place: "", tokenSecret: undefined, clock };

async function linesOf(APP_ROLE: string): Promise<readonly string[]> {
  const config = loadConfig({ environment: { ...environment, APP_ROLE } }, { serving: true });
  const text = await banner(config, server);
  return [...text.matchAll(/^ {2}(\w+) +http/gm)].map(([, name = ""]) => name);
}

test("a process without a module's routes tells of its health and metrics, and of no API", async () => {
  expect(await linesOf("outbox")).toEqual(["health", "metrics"]);
  for (const role of ["api", "escrow", "outbox,payments"]) {
    expect(await linesOf(role)).toEqual(["API", "docs", "health", "metrics"]);
  }
});
