/**
 * The compiled program as a stranger has it: one file in an otherwise empty folder, far from the
 * sources and their node_modules. Built once per test run, when a source is newer.
 */
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { root } from "../../scripts/process.ts";

/** Where one test runs the program: `dist/app` below `folder`, nothing else. */
export interface Place {
  readonly folder: string;
  readonly program: string;
}

const prefix = "app-system-";
let copied: Promise<string> | undefined;

/** The folder goes with `forgetPlaces`; what a killed test run left behind goes with the next one. */
export async function emptyPlace(): Promise<Place> {
  copied ??= copyOfProgram();
  const home = await copied;
  const folder = mkdtempSync(join(home, "place-"));
  mkdirSync(join(folder, "dist"));
  const program = join(folder, "dist", "app");
  linkSync(join(home, "app"), program);
  return { folder, program };
}

export async function forgetPlaces(): Promise<void> {
  const home = await copied;
  copied = undefined;
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
}

/** A copy, because somebody may build again while the tests run. */
async function copyOfProgram(): Promise<string> {
  await build({ ifStale: true });
  sweep();
  const home = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  copyFileSync(join(root, "dist", "app"), join(home, "app"));
  return home;
}

function sweep(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const owner = Number(name.slice(prefix.length).split("-")[0]);
    if (isGone(owner)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
