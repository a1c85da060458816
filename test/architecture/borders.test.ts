/**
 * The borders hold, the tool that says so really read the tree, and each rule fires on its own
 * violation: fixtures/borders holds one file a rule, named after it, beside a house in good order.
 */
import { expect, test } from "bun:test";
import { basename, join } from "node:path";
import { cruise } from "../../scripts/cruiser.ts";
import { root } from "../../scripts/process.ts";

const fixtures = join(import.meta.dir, "fixtures", "borders");

interface Cruise {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { name: string };
    }[];
  };
}

async function report(folder: string): Promise<Cruise> {
  return JSON.parse((await cruise(folder, ["--output-type", "json"])).output) as Cruise;
}

async function ruleNames(): Promise<string[]> {
  const file: unknown = await import(join(root, ".dependency-cruiser.mjs"));
  return (file as { default: { forbidden: { name: string }[] } }).default.forbidden.map(
    ({ name }) => name,
  );
}

const inSource = (name: string): string => `src/${name}`;
const sorted = (names: readonly string[]): string[] => [...new Set(names)].sort();

test("every rule fires on its own violation, and on nothing else", async () => {
  const { summary } = await report(fixtures);
  const fired = summary.violations.map(({ from, rule }) => `${rule.name} in ${basename(from)}`);
  const names = await ruleNames();
  expect(names.length).toBeGreaterThan(10);
  expect(sorted(fired)).toEqual(sorted(names.map((name) => `${name} in ${name}.ts`)));
});

test("platform and modules are kept from all that is not on their list", async () => {
  const { summary } = await report(fixtures);
  const refused = (rule: string) =>
    sorted(summary.violations.filter((one) => one.rule.name === rule).map(({ to }) => to));
  const above = ["config.ts", "dead-letters/desk.ts", "doctor/finding.ts", "settings/kafka.ts"];
  const paths = (...names: string[]) => sorted([...above, "stores.ts", ...names]).map(inSource);
  expect(refused("platform-imports-nothing-above")).toEqual(paths("roles.ts", "topics.ts"));
  expect(refused("modules-import-nothing-above")).toEqual(paths("main.ts"));
});

test("every file of the real tree was seen, and none breaks a rule", async () => {
  const { modules, summary } = await report(root);
  const seen = new Set(modules.map(({ source }) => source));
  const files = await Array.fromAsync(new Bun.Glob("src/**/*.{ts,tsx}").scan({ cwd: root }));
  const unseen = files.filter((file) => !file.endsWith(".d.ts") && !seen.has(file));
  expect(unseen).toEqual([]);
  expect(files.length).toBeGreaterThan(100);
  expect(summary.violations.map(({ from, rule }) => `${rule.name} in ${from}`)).toEqual([]);
});
