/**
 * Each lint rule we count on fires on its own violation: fixtures/lint holds one file a rule, named
 * after it, and is checked with this repository's biome.json as it stands.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { capture, root } from "../../scripts/process.ts";

interface Diagnostic {
  readonly category: string;
  readonly message: string;
  readonly severity: string;
  readonly location: { readonly path: string; readonly start: { readonly line: number } };
}

let folder = "";
let found: readonly Diagnostic[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lint-"));
  await cp(join(import.meta.dir, "fixtures", "lint"), folder, { recursive: true });
  await cp(join(root, "biome.json"), join(folder, "biome.json"));
  await cp(join(root, "tools", "biome"), join(folder, "tools", "biome"), { recursive: true });
  await Bun.write(join(folder, "src/platform/no-excessive-lines-per-file.ts"), constants(401));
  await Bun.write(
    join(folder, "src/platform/no-excessive-lines-per-function.ts"),
    `export function long(): void {\n${constants(71)}}\n`.replaceAll("export const", "const"),
  );
  const options = ["--reporter=json", "--max-diagnostics=none", "--colors=off"];
  const { output } = await capture(["biome", "lint", ...options, "src"], { cwd: folder });
  const report = output.slice(output.indexOf('{"summary"'), output.lastIndexOf("}") + 1);
  found = (JSON.parse(report) as { diagnostics: Diagnostic[] }).diagnostics;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function constants(count: number): string {
  return Array.from({ length: count }, (_, n) => `export const a${n} = ${n};\n`).join("");
}

const rules = [
  "nursery/noFloatingPromises",
  "nursery/noMisusedPromises",
  "nursery/useAwaitThenable",
  "nursery/useExhaustiveSwitchCases",
  "complexity/noExcessiveLinesPerFunction",
  "style/noDefaultExport",
  "style/noEnum",
  "style/noExcessiveLinesPerFile",
  "style/noNonNullAssertion",
  "style/noParameterAssign",
  "style/noProcessEnv",
  "style/useImportType",
  "suspicious/noConsole",
  "suspicious/noExplicitAny",
  "suspicious/noFocusedTests",
  "suspicious/noImportCycles",
  "suspicious/noSkippedTests",
  "suspicious/noTsIgnore",
] as const;

const errorsOf = (name: string): Diagnostic[] =>
  found.filter(
    ({ location, severity }) => severity === "error" && basename(location.path) === `${name}.ts`,
  );

for (const rule of rules) {
  const name = rule.slice(rule.indexOf("/") + 1).replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  test(`${rule} fires`, () => {
    expect(errorsOf(name).map(({ category }) => category)).toContain(`lint/${rule}`);
  });
}

test("style/useFilenamingConvention fires", () => {
  const categories = errorsOf("use_filenaming_convention").map(({ category }) => category);
  expect(categories).toEqual(["lint/style/useFilenamingConvention"]);
});

const linesOf = (name: string, message: string): number[] =>
  errorsOf(name)
    .filter((diagnostic) => diagnostic.message.includes(message))
    .map(({ location }) => location.start.line)
    .sort((a, b) => a - b);

test("time and chance are seen in every form", () => {
  const lines = linesOf("time-and-chance", "Time and chance come in through a port");
  expect(lines).toEqual([2, 3, 4, 5, 6, 7]);
});

test("money as a number is seen in a type, a parameter, a variable and a conversion", () => {
  const lines = linesOf("money-is-a-bigint", "Money is a bigint");
  expect(lines).toEqual([2, 5, 6, 6, 7, 7, 7]);
});

test("a given instant and a count are neither", () => {
  expect(errorsOf("allowed").map(({ message }) => message)).toEqual([]);
});
