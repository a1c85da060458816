/** The house rules hold for every file that git knows, and each fires on its seeded violation. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { root, run } from "../../scripts/process.ts";
import { broken, houseRules } from "./house-rules.ts";

const seeded: Readonly<Record<string, readonly [path: string, text: string]>> = {
  "no folder without a name of its own": ["src/platform/utils/clock.ts", "/** x */"],
  "nothing is left to be done": ["src/kernel/money.ts", `/** x */ // ${"TO"}${"DO"} round`],
  "the environment is read in one place": ["src/topics.ts", "/** x */ process.env.PORT"],
  "no test is skipped or left open": ["src/a.test.ts", ["test", "skipIf(true)"].join(".")],
  "every source says what it is responsible for": ["src/kernel/money.ts", "export const a = 1;"],
  "the repository stands alone: no path of one machine": [
    "README.md",
    `see ${"/ho"}${"me/ann/app"}`,
  ],
  "lock files hold no address": ["tools/bun.lock", '"https://example.com/a.tgz"'],
};

async function committed(): Promise<Map<string, string>> {
  const names = (await run(["git", "ls-files", "-z"])).split("\0").filter((name) => name !== "");
  const files = new Map<string, string>();
  for (const name of names.filter((path) => !/\.(binpb|png|gz|woff2)$/.test(path))) {
    const file = Bun.file(join(root, name));
    if (await file.exists()) files.set(name, await file.text());
  }
  return files;
}

const files = await committed();

test("the repository's files were seen", () => {
  expect(files.size).toBeGreaterThan(150);
});

for (const rule of houseRules) {
  test(`${rule.name}: fires on its seeded violation`, () => {
    expect(broken(rule, new Map([seeded[rule.name] ?? ["", ""]]))).toHaveLength(1);
  });

  test(`${rule.name}: holds`, () => {
    expect(broken(rule, files)).toEqual([]);
  });
}
