import { expect, test } from "bun:test";
import { createManualClock } from "./clock-manual.ts";
import { createHealth } from "./health.ts";

test("is ready when every check is, and names the one that is not", async () => {
  const health = createHealth({ clock: createManualClock() });
  health.register("database", async () => undefined);
  expect(await health.check()).toEqual({ status: "ready", checks: { database: "ok" } });
  const forget = health.register("log", async () => {
    throw new Error("no broker answers");
  });
  expect(await health.check()).toEqual({
    status: "not ready",
    checks: { database: "ok", log: "no broker answers" },
  });
  forget();
  expect((await health.check()).status).toBe("ready");
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
  });
});
