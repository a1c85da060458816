/** What an operator pastes at night works as it stands. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { root } from "../../scripts/process.ts";

/** Lines that end in a backslash are one. */
async function commands(): Promise<string[]> {
  const runbook = await Bun.file(join(root, "docs/operations.md")).text();
  return runbook
    .replace(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.startsWith("    "));
}

test("the runbook's requests with a body name its type and a key", async () => {
  const withBody = (await commands()).filter((line) => /curl .* -d /.test(line));
  expect(withBody.length).toBeGreaterThan(1);
  for (const line of withBody) {
    expect(line).toContain('-H "Content-Type: application/json"');
    expect(line).toContain('-H "Idempotency-Key: ');
  }
});

test("the runbook says what its names stand for, and leans on no tool that may be missing", async () => {
  const all = (await commands()).join("\n");
  expect(new Set(all.match(/\$[A-Z_]+/g))).toEqual(new Set(["$URL", "$TOKEN"]));
  expect(all).not.toContain("uuidgen");
});
