/**
 * Programs of others, in Go, that tests run beside ours. Each is a module of its own under
 * test/support, its version and checksums in there, and is built once for what stands there. Where
 * Go or the module cannot be had, what goes untested for that is said aloud.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/process.ts";

const go = Bun.which("go", { PATH: `${process.env.PATH}:/usr/local/go/bin` });

/** The program's file, or undefined. `untested` ends the sentence "NOT TESTED: …". */
export async function buildGo({
  module,
  main = ".",
  untested,
}: {
  /** Its folder under test/support. */
  readonly module: string;
  /** The package to build, where it is not the module's own. */
  readonly main?: string;
  readonly untested: string;
}): Promise<string | undefined> {
  const program = go && (await build(go, module, main));
  if (program) return program;
  process.stderr.write(
    `\nNOT TESTED: ${untested} (test/support/${module}), for want of Go or its module\n\n`,
  );
  return undefined;
}

/** Where the files of a module lie that `module` is built with. */
export async function sourcesOf(module: string, needed: string): Promise<string> {
  if (!go) throw new Error("there is no Go");
  const child = Bun.spawn([go, "mod", "download", "-json", needed], {
    cwd: folderOf(module),
    stdout: "pipe",
    timeout: 120_000,
  });
  const said = (await new Response(child.stdout).json()) as { Dir?: string; Error?: string };
  if (said.Dir === undefined) throw new Error(`no sources of ${needed}: ${said.Error}`);
  return said.Dir;
}

async function build(compiler: string, module: string, main: string): Promise<string | undefined> {
  const built = join(root, ".tools/go");
  const program = join(built, `${module}-${digestOf(module)}`);
  if (existsSync(program)) return program;
  mkdirSync(built, { recursive: true });
  // Several runs may build at once: each its own file, and what has the name is whole.
  const fresh = `${program}.${process.pid}`;
  const child = Bun.spawn([compiler, "build", "-o", fresh, main], {
    cwd: folderOf(module),
    stdout: "ignore",
    stderr: "inherit",
    timeout: 120_000,
  });
  if ((await child.exited) !== 0) return undefined;
  renameSync(fresh, program);
  return program;
}

function digestOf(module: string): string {
  const hash = new Bun.CryptoHasher("sha256").update(`${process.platform} ${process.arch}`);
  for (const name of readdirSync(folderOf(module)).sort()) {
    hash.update(`\n${name}\n`).update(readFileSync(join(folderOf(module), name)));
  }
  return hash.digest("hex").slice(0, 16);
}

function folderOf(module: string): string {
  return join(root, "test/support", module);
}
