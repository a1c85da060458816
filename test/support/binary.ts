/**
 * The compiled program as a stranger has it: one file in an otherwise empty folder, far from the
 * sources and their node_modules. Built once per test run, when a source is newer.
 */
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { root } from "../../scripts/process.ts";

/** Where one test runs the program: `dist/app` below `folder`, nothing else. */
export interface Place {
  readonly folder: string;
  readonly program: string;
}

let copied: Promise<string> | undefined;

/** The folder goes with this process. */
export async function emptyPlace(): Promise<Place> {
  copied ??= copyOfProgram();
  const home = await copied;
  const folder = mkdtempSync(join(home, "place-"));
  mkdirSync(join(folder, "dist"));
  const program = join(folder, "dist", "app");
  linkSync(join(home, "app"), program);
  return { folder, program };
}

/** A copy, because somebody may build again while the tests run. */
async function copyOfProgram(): Promise<string> {
  await build({ ifStale: true });
  const home = mkdtempSync(join(tmpdir(), "app-system-"));
  process.on("exit", () => rmSync(home, { recursive: true, force: true }));
  copyFileSync(join(root, "dist", "app"), join(home, "app"));
  return home;
}
