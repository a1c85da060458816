/** The house rules hold for every file that git knows, and each fires on its seeded violation. */
import { expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { root, run } from "../../scripts/process.ts";
import { broken, houseRules } from "./house-rules.ts";

const seeded: Readonly<Record<string, readonly [path: string, text: string]>> = {
  "no folder without a name of its own": ["src/platform/utils/clock.ts", "/** x */"],
  "nothing is left to be done": ["src/kernel/money.ts", `/** x */ // ${"TO"}${"DO"} round`],
  "the environment is read in one place": ["src/topics.ts", "/** x */ process.env.PORT"],
  "a header of the reference is read where its route declares it": [
    "src/modules/escrow/http.ts",
    'c.req.header("If-Match")',
  ],
  "no test is skipped or left open": ["src/a.test.ts", ["test", "skipIf(true)"].join(".")],
  "what is inserted names its columns": [
    "src/modules/payments/journal.ts",
    "INSERT INTO payments.entry\n SELECT * FROM rows",
  ],
  "every source says what it is responsible for": ["src/kernel/money.ts", "export const a = 1;"],
  "the repository stands alone: no path of one machine": [
    "README.md",
    `see ${"/ho"}${"me/ann/app"}`,
  ],
  "lock files hold no address": ["tools/bun.lock", '"https://example.com/a.tgz"'],
};

async function tracked(): Promise<string[]> {
  return (await run(["git", "ls-files", "-z"])).split("\0").filter((name) => name !== "");
}

async function committed(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of (await tracked()).filter((path) => !/\.(binpb|png|gz|woff2)$/.test(path))) {
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

/** `src/…`, `docs/…` and the like in backticks, and relative links. */
function named(path: string, text: string): string[] {
  const quoted = text.matchAll(
    /`((?:src|test|docs|deploy|bench|scripts|proto|migrations)\/[\w./-]*)`/g,
  );
  const linked = text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g);
  return [
    ...[...quoted].map(([, name = ""]) => name.replace(/\/$/, "")),
    ...[...linked].map(([, name = ""]) => join(dirname(path), name)),
  ];
}

function missing(pages: ReadonlyMap<string, string>, there: readonly string[]): string[] {
  const isThere = (name: string) =>
    there.some((path) => path === name || path.startsWith(`${name}/`));
  return [...pages]
    .filter(([path]) => path.endsWith(".md"))
    .flatMap(([path, text]) => named(path, text).map((name) => ({ path, name })))
    .filter(({ name }) => !isThere(name))
    .map(({ path, name }) => `${path}: ${name}`);
}

test("what a page names is there", async () => {
  const seededPage = new Map([["docs/a.md", "`src/gone.ts`, [x](gone.md), [y](../src/topics.ts)"]]);
  const there = await tracked();
  expect(missing(seededPage, there)).toEqual(["docs/a.md: src/gone.ts", "docs/a.md: docs/gone.md"]);
  expect(missing(files, there)).toEqual([]);
});

/** The files and folders directly in `src` that the map does not name. */
function unmapped(map: string, there: readonly string[]): string[] {
  const names = there
    .filter((path) => path.startsWith("src/") && !path.endsWith(".test.ts"))
    .map((path) => /^src\/[^/]+\/?/.exec(path)?.[0] ?? path);
  return [...new Set(names)].filter((name) => !map.includes(name));
}

test("the map names everything that lies directly in src", async () => {
  expect(unmapped("src/main.ts", ["src/main.ts", "src/cli/dlq.ts", "src/a.test.ts"])).toEqual([
    "src/cli/",
  ]);
  expect(unmapped(files.get("ARCHITECTURE.md") ?? "", await tracked())).toEqual([]);
});
