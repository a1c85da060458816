/**
 * The one gate before a commit: `bun run check`. Each step is a tool that has been shown to fail;
 * all run, whatever the others say, and any failure makes the whole fail.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cruise } from "./cruiser.ts";
import { generate, generated } from "./generate.ts";
import { capture, type Finished, root } from "./process.ts";

interface Step {
  readonly name: string;
  readonly run: () => Promise<Finished>;
}

// The machine may be busy with the other steps: a slow test is not a failed one.
const quiet = ["--only-failures", "--timeout=120000"];
const baseline = "proto/baseline.binpb";

/** Tests that need no database: quick enough for every save. `npm test` runs them all. */
const pure = [
  "src/kernel",
  "src/modules/escrow",
  "src/modules/payments/domain",
  "src/platform/messaging",
  "src/platform/http",
];

const steps: readonly Step[] = [
  { name: "lint and format", run: () => capture(["biome", "check", "--error-on-warnings", "."]) },
  { name: "types", run: () => capture(["tsc", "--noEmit", "-p", "."]) },
  { name: "borders", run: borders },
  { name: "proto lint", run: () => capture(["buf", "lint"]) },
  { name: "proto compatible", run: () => capture(["buf", "breaking", "--against", baseline]) },
  { name: "generated code", run: generatedIsCurrent },
  { name: "unit tests", run: () => capture(["bun", "test", ...quiet, ...pure]) },
];

/** dependency-cruiser that cannot read TypeScript reports no violation among no modules. */
async function borders(): Promise<Finished> {
  const found = await cruise(root);
  const modules = Number(/(\d+) modules/.exec(found.output)?.[1] ?? 0);
  if (found.code === 0 && modules < 100) {
    return { code: 1, output: `saw only ${modules} modules:\n${found.output}` };
  }
  return found;
}

async function generatedIsCurrent(): Promise<Finished> {
  const folder = await mkdtemp(join(tmpdir(), "generated-"));
  try {
    for (const { from, to } of generated) {
      await generate(from, join(folder, to));
      const found = await capture(["diff", "-r", "-q", to, join(folder, to)]);
      const hint = `${to} is not what ${from} generates: run \`bun run generate\`\n`;
      if (found.code !== 0) return { ...found, output: hint + found.output };
    }
    return { code: 0, output: "" };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function report({ name, run: step }: Step): Promise<boolean> {
  const begun = performance.now();
  const { code, output } = await step().catch(
    (error: unknown): Finished => ({ code: 1, output: String(error) }),
  );
  const seconds = ((performance.now() - begun) / 1000).toFixed(1).padStart(5);
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${seconds} s  ${name}`);
  if (code !== 0) console.log(output.replaceAll(/^/gm, "    "));
  return code === 0;
}

const results = await Promise.all(steps.map(report));
const failed = results.filter((ok) => !ok).length;
const passed = results.length - failed;
console.log(`${passed} checks passed, ${failed} failed`);
const summary = process.argv.indexOf("--summary");
if (summary > 0) await Bun.write(process.argv[summary + 1] ?? "", `${passed} ${failed}\n`);
process.exitCode = failed === 0 ? 0 : 1;
