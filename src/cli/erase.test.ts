// `app erase` asks before it destroys; the folder it would look into is not there, which ends it with 3.
import { expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDataDir } from "#platform/database/data-dir";
import { loadConfig } from "../config.ts";
import { runErase } from "./erase.ts";
import { ExitError } from "./exit.ts";

const config = loadConfig({ environment: { DATA_DIR: "/nowhere" } }, { serving: false });
const party = "alice";
const asked = 3;

async function codeOf(typed: string | undefined, yes = false): Promise<number> {
  const ended = await runErase(config, { party, yes }, async () => typed).catch((error) => error);
  return ended instanceof ExitError ? ended.code : -1;
}

test("on a terminal the party's id is typed again, and another one erases nobody", async () => {
  expect(await codeOf("alice")).toBe(asked);
  expect(await codeOf("alicf")).toBe(6);
  expect(await codeOf("")).toBe(6);
});

test("a script says --yes, and is refused without", async () => {
  expect(await codeOf(undefined, true)).toBe(asked);
  expect(await codeOf(undefined)).toBe(2);
});

test("whoever has erased a party is told what stays of it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erase-"));
  const server = Bun.serve({ port: 0, fetch: () => Response.json({ known: true }) });
  const lock = await lockDataDir(folder);
  lock.update({ url: server.url.origin });
  const said: string[] = [];
  const stdout = spyOn(process.stdout, "write").mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  try {
    const environment = { DATA_DIR: folder, JWT_SECRET: "x".repeat(32) };
    await runErase(loadConfig({ environment }, { serving: false }), { party, yes: true });
  } finally {
    stdout.mockRestore();
    lock.release();
    await server.stop(true);
    rmSync(folder, { recursive: true });
  }
  expect(said.join("")).toMatch(
    /^erased alice: .* accounts it was paid to, former ones too, stay\n$/,
  );
});
