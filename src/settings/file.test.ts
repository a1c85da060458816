// What a settings file is told of: that it is not there, where it is broken, which name was meant.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSettingsFile } from "./file.ts";

const folder = mkdtempSync(join(tmpdir(), "settings-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

function expectedOf(text: string): readonly string[] {
  const path = join(folder, "settings.toml");
  writeFileSync(path, text);
  const { problems } = readSettingsFile(path, ["PORT", "DATA_DIR", "JWT_SECRET"]);
  return problems.map(({ name, expected }) => `${name}: ${expected}`);
}

test("a file that is not there and a broken one are told apart, the broken one with its line", () => {
  const { problems } = readSettingsFile(join(folder, "none.toml"), []);
  expect(problems.map(({ expected }) => expected)).toEqual([
    "a file that is there and may be read",
  ]);
  expect(expectedOf('PORT = "1"\n\nHOST =\nA = 1\n')).toEqual([
    "--config: TOML, which line 3 is not: Missing value after '='; values must be on the same line",
  ]);
  expect(expectedOf("KAFKA_BROKERS = [\n'a',\n'b',\n]\nA = 1\nA = 2\n")).toEqual([
    "--config: TOML, which line 6 is not: Cannot redefine key 'A'",
  ]);
});

test("what is told of a broken file shows no value of it", () => {
  expect(expectedOf("JWT_SECRET = hunter2")).toEqual([
    "--config: TOML, which line 1 is not: Strings must be quoted",
  ]);
});

test("a name in small letters is told with the setting it is", () => {
  expect(expectedOf('port = 3000\ndata-dir = "x"\nzebra = 1')).toEqual([
    "port: a known setting's name: PORT is one",
    "data-dir: a known setting's name: DATA_DIR is one",
    "zebra: a known setting's name",
  ]);
});
