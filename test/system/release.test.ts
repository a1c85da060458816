/** The binaries of a release: one for each machine, each with what is embedded, and sums that are right. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture, root } from "../../scripts/process.ts";
import { release } from "../../scripts/release.ts";
import { version } from "../../src/version.ts";

/** Of the ELF format: what machine a program is for. */
const machines = { x64: 0x3e, arm64: 0xb7 } as const;

test("a binary for arm64 is made on any machine, whole, and its sum is written beside it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "app-release-"));
  const [binary = ""] = await release(["linux-arm64"], folder);
  expect(binary).toEndWith(`app-${version}-linux-arm64`);
  const bytes = readFileSync(binary);
  expect(bytes.subarray(1, 4).toString("latin1")).toBe("ELF");
  expect(bytes.readUInt16LE(18)).toBe(machines.arm64);
  // The first migration's text, from deep inside.
  const migration = readFileSync(join(root, "migrations", "escrow", "0001_escrow.sql"));
  expect(bytes.includes(migration)).toBe(true);

  const check = ["sha256sum", "--check", "--strict", "SHA256SUMS"];
  expect(await capture(check, { cwd: folder })).toEqual({
    code: 0,
    output: `app-${version}-linux-arm64: OK\napp-${version}.cdx.json: OK`,
  });
  rmSync(folder, { recursive: true });
}, 300_000);
