import { expect, test } from "bun:test";
import { logLevel } from "kafkajs";
import type { Logger } from "../../telemetry/logger.ts";
import { logTo } from "./client.ts";

test("what the client repeats while a broker is away is a warning once", () => {
  const lines: string[] = [];
  const logger: Logger = {
    debug: (_, message) => lines.push(`debug ${message}`),
    info: (_, message) => lines.push(`info ${message}`),
    warn: (_, message) => lines.push(`warn ${message}`),
    error: (_, message) => lines.push(`error ${message}`),
    child: () => logger,
  };
  const write = logTo(logger)(logLevel.INFO);
  const say = (level: logLevel, message: string): void =>
    write({ namespace: "n", level, label: "", log: { message, timestamp: "" } });
  say(logLevel.ERROR, "no connection");
  say(logLevel.ERROR, "no connection");
  say(logLevel.WARN, "another thing");
  say(logLevel.INFO, "joined");
  expect(lines).toEqual([
    "warn no connection",
    "debug no connection",
    "warn another thing",
    "debug joined",
  ]);
});

test("a negative timeout is not printed as a warning, others are", async () => {
  const program = `
    const { createKafkaClient } = await import(${JSON.stringify(`${import.meta.dir}/client.ts`)});
    const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
    for (const clientId of ["a", "b"]) createKafkaClient({ brokers: ["localhost:1"], clientId, logger });
    setTimeout(() => process.emitWarning("something else"), -5);`;
  const run = Bun.spawn([process.execPath, "-e", program], { stderr: "pipe" });
  const printed = await new Response(run.stderr).text();
  expect(await run.exited).toBe(0);
  expect(printed).not.toContain("TimeoutNegativeWarning");
  expect(printed.match(/something else/g)).toHaveLength(1);
});
