/** The binaries of a release: one for each machine, each with what is embedded, and sums that are right. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { capture, root } from "../../scripts/process.ts";
import { release } from "../../scripts/release.ts";
import { version } from "../../src/version.ts";

/** Of the ELF format: what machine a program is for. */
const machines: Readonly<Record<string, number>> = { x64: 0x3e, arm64: 0xb7 };

test("a release has a whole binary per architecture, this machine's runs, and checksums match", async () => {
  const folder = mkdtempSync(join(tmpdir(), "app-release-"));
  const binaries = await release(undefined, folder);
  const names = Object.keys(machines).map((machine) => `app-${version}-linux-${machine}`);
  expect(binaries.map((binary) => basename(binary))).toEqual(names);
  // The first migration's text, from deep inside.
  const migration = readFileSync(join(root, "migrations", "escrow", "0001_escrow.sql"));
  for (const [machine, number] of Object.entries(machines)) {
    const binary = join(folder, `app-${version}-linux-${machine}`);
    const bytes = readFileSync(binary);
    expect(bytes.subarray(1, 4).toString("latin1")).toBe("ELF");
    expect({ machine, number: bytes.readUInt16LE(18) }).toEqual({ machine, number });
    expect({ machine, whole: bytes.includes(migration) }).toEqual({ machine, whole: true });
  }
  const own = join(folder, `app-${version}-linux-${process.arch}`);
  expect(await capture([own, "version"], { cwd: folder })).toEqual({ code: 0, output: version });

  const check = ["sha256sum", "--check", "--strict", "SHA256SUMS"];
  expect(await capture(check, { cwd: folder })).toEqual({
    code: 0,
    output: [...names, `app-${version}.cdx.json`].map((name) => `${name}: OK`).join("\n"),
  });
  rmSync(folder, { recursive: true });
}, 600_000);
