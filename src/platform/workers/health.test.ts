import { expect, test } from "bun:test";
import { createManualClock } from "../clock-manual.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createHealth } from "./health.ts";

function recordingLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const note = (level: string) => (fields: object, message: string) => {
    const reason = "reason" in fields ? ` (${fields.reason})` : "";
    lines.push(`${level} ${message}${reason}`);
  };
  const logger: Logger = {
    debug: note("debug"),
    info: note("info"),
    warn: note("warn"),
    error: note("error"),
    child: () => logger,
  };
  return { logger, lines };
}

test("is ready when every check is, and names the one that is not", async () => {
  const health = createHealth({ clock: createManualClock() });
  health.register("database", async () => undefined);
  expect(await health.check()).toEqual({
    status: "ready",
    checks: { database: "ok" },
    reasons: {},
    notices: [],
  });
  const forget = health.register("log", async () => {
    throw new Error("no broker answers");
  });
  expect(await health.check()).toEqual({
    status: "not ready",
    checks: { database: "ok", log: "no broker answers" },
    reasons: { log: "no broker answers" },
    notices: [],
  });
  forget();
  expect((await health.check()).status).toBe("ready");
});

test("anybody is told which part is not well; why, is told to the log, once", async () => {
  const { logger, lines } = recordingLogger();
  const health = createHealth({ clock: createManualClock(), logger });
  let reason: string | undefined = "10.0.0.7:9092 refuses the password";
  health.register("log", async () => {
    if (reason !== undefined) throw new Error("unreachable", { cause: new Error(reason) });
  });
  for (let n = 0; n < 3; n += 1) {
    expect((await health.check()).checks).toEqual({ log: "unreachable" });
  }
  expect(lines).toEqual(["warn not ready: log: unreachable (10.0.0.7:9092 refuses the password)"]);
  reason = "nothing listens on port 9092";
  await health.check();
  reason = undefined;
  await health.check();
  await health.check();
  expect(lines.slice(1)).toEqual([
    "warn not ready: log: unreachable (nothing listens on port 9092)",
    "info log is well again",
  ]);
});

test("a check that never answers is unhealthy after two seconds", async () => {
  const clock = createManualClock();
  const health = createHealth({ clock });
  health.register("database", () => new Promise(() => undefined));
  const report = health.check();
  await clock.advance(2_000);
  expect(await report).toEqual({
    status: "not ready",
    checks: { database: "no answer within 2 s" },
    reasons: { database: "no answer within 2 s" },
    notices: [],
  });
});
