/**
 * dependency-cruiser from tools/, where it has a TypeScript it can read: beside TypeScript 7 it
 * sees no module at all and reports no violation. Installed from tools/bun.lock when missing.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { capture, type Finished, root, run } from "./process.ts";

const tools = join(root, "tools");
const program = join(tools, "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs");

/** Runs it over `src` of the folder, with this repository's rules. */
export async function cruise(cwd: string, options: readonly string[] = []): Promise<Finished> {
  if (!existsSync(program)) await run(["bun", "install", "--frozen-lockfile"], { cwd: tools });
  const rules = join(root, ".dependency-cruiser.mjs");
  return capture(["bun", "--bun", program, "src", "--config", rules, ...options], { cwd });
}
