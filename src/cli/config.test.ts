// `app config check` says of the data folder and of the address what a start would.
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDataDir } from "#platform/database/data-dir";
import { loadConfig } from "../config.ts";
import { examineEmbedded } from "../doctor/examine-database.ts";
import { showConfig } from "./config.ts";
import { explain } from "./exit.ts";

const folder = mkdtempSync(join(tmpdir(), "config-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

function check(dir: string, HOST = "127.0.0.1"): void {
  const sources = { environment: { DATA_DIR: dir, HOST } };
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

test("a data folder that holds something else is one sentence and 3, here and at the doctor", async () => {
  const dir = join(folder, "thesis");
  mkdirSync(dir);
  writeFileSync(join(dir, "chapter-1.txt"), "");
  const checked = await Promise.try(() => check(dir)).catch(explain);
  const words = "has files of something else in it, such as chapter-1.txt";
  expect(checked).toEqual({ code: 3, message: expect.stringContaining(words) });
  const config = loadConfig({ environment: { DATA_DIR: dir } }, { serving: true });
  expect(await examineEmbedded(config)).toEqual([
    expect.objectContaining({ verdict: "fail", text: `${dir} ${words}` }),
  ]);
  rmSync(dir, { recursive: true });
});

test("a check leaves no folder behind", () => {
  check(join(folder, "a", "b"));
  check(folder);
  expect(existsSync(join(folder, "a"))).toBe(false);
});

test("a check refuses an address that is not this machine's, or no name at all", async () => {
  for (const host of ["192.0.2.1", "no-such-host.invalid"]) {
    const checked = await Promise.try(() => check(folder, host)).catch(explain);
    expect(checked).toEqual({
      code: 3,
      message: expect.stringContaining(`HOST: "${host}"; expected an address of this machine`),
    });
  }
});
