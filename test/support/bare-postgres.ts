/** The PostgreSQL client as published, without our patch, in a temporary folder: to show what the patch is for. */
import { cp, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");

/** Returns the path of its entry file. */
export async function unpatchedPostgres(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "postgres-as-published-"));
  await cp(join(root, "node_modules", "postgres"), folder, { recursive: true });
  const patch = join(root, "patches", "postgres@3.4.9.patch");
  const git = Bun.spawnSync(["git", "apply", "--reverse", patch], { cwd: folder });
  if (!git.success) throw new Error(`the patch cannot be taken back: ${git.stderr}`);
  return join(folder, "src", "index.js");
}
