/**
 * Runs the tools of this repository from its root, with node_modules/.bin first in the path.
 * Output is captured whole, so that a step can be quiet when it passes and tell all when it fails.
 */
import { join } from "node:path";

export const root = join(import.meta.dir, "..");

export interface Finished {
  readonly code: number;
  readonly output: string;
}

/** Never rejects for a failing command: the code says it. */
export async function capture(
  command: readonly string[],
  { cwd = root, env = {} }: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  const path = `${join(root, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}`;
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, ...env, PATH: path },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, output: `${out}${err}`.trim() };
}

export async function run(command: readonly string[], options?: { cwd?: string }): Promise<string> {
  const { code, output } = await capture(command, options);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}\n${output}`);
  return output;
}
