// What only looks at a data folder neither asks one that a server holds nor makes one that is not there.
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDataDir } from "#platform/database/data-dir";
import { loadConfig } from "../config.ts";
import { explain } from "./exit.ts";
import { runMigrate } from "./migrate.ts";
import { runTopics } from "./topics.ts";

test("app migrate status and app topics --dry-run beside a running server name it and the doctor", async () => {
  const folder = mkdtempSync(join(tmpdir(), "held-folder-"));
  const lock = await lockDataDir(folder);
  lock.update({ url: "http://127.0.0.1:3000" });
  const config = loadConfig({ environment: { DATA_DIR: folder } }, { serving: false });
  const looks = [runMigrate(config, "status", {}), runTopics(config, { dryRun: true })];
  for (const refused of await Promise.all(looks.map((look) => look.catch(explain)))) {
    expect(refused).toEqual({
      code: 6,
      message: expect.stringMatching(
        /^refused: process \d+ at http:\/\/127\.0\.0\.1:3000 holds .* up to date .*`app doctor`/,
      ),
    });
  }
  lock.release();
  rmSync(folder, { recursive: true });
});

test("app migrate status, its dry run and app topics --diff find no data where there is none, and make none", async () => {
  const folder = join(mkdtempSync(join(tmpdir(), "held-folder-")), "mistyped");
  const config = loadConfig({ environment: { DATA_DIR: folder } }, { serving: false });
  const looks = [
    runMigrate(config, "status", {}),
    runMigrate(config, "up", { dryRun: true }),
    runTopics(config, { diff: true }),
  ];
  for (const refused of await Promise.all(looks.map((look) => look.catch(explain)))) {
    const message = expect.stringContaining(`no server has its data in "${folder}"`);
    expect(refused).toEqual({ code: 3, message });
  }
  expect(existsSync(folder)).toBe(false);
});
