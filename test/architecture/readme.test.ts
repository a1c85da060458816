import { expect, test } from "bun:test";
import { join } from "node:path";
import { root } from "../../scripts/process.ts";

test("pitfall 50: the README says that software is no licence, and who needs one", async () => {
  const readme = await Bun.file(join(root, "README.md")).text();
  const words = readme.replace(/\s+/g, " ");
  expect(words).toContain("whoever operates it needs one (money transmission");
  expect(words.indexOf("licence")).toBeLessThan(words.indexOf("## Start"));
});
