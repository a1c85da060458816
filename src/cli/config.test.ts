// `app config check` says of the data folder what a start would.
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDataDir } from "#platform/database/data-dir";
import { loadConfig } from "../config.ts";
import { showConfig } from "./config.ts";
import { explain } from "./exit.ts";

const folder = mkdtempSync(join(tmpdir(), "config-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

function check(dir: string): void {
  const sources = { environment: { DATA_DIR: dir } };
  showConfig(loadConfig(sources, { serving: true }), sources, "check", { json: true });
}

test("a data folder nobody can make is one sentence and 3, in a check as in a start", async () => {
  const wrong = {
    code: 3,
    message: 'wrong settings:\n  DATA_DIR: "/proc/none" cannot be made there',
  };
  const start = lockDataDir("/proc/none").catch(explain);
  expect(await start).toEqual(wrong);
  const checked = await Promise.try(() => check("/proc/none")).catch(explain);
  expect(checked).toEqual(wrong);
});

test("a check leaves no folder behind", () => {
  check(join(folder, "a", "b"));
  check(folder);
  expect(existsSync(join(folder, "a"))).toBe(false);
});
