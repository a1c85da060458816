/**
 * The program as it was before: built from the last release, or, before there is one, from the commit
 * before the newest migration came. Built once per commit and kept in the user's cache.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { capture, root, run } from "../../scripts/process.ts";
import type { Place } from "./binary.ts";

/** A commit, or `undefined` where the history does not reach back to it. */
export async function previousCommit(): Promise<string | undefined> {
  const tag = await capture(["git", "describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^"]);
  if (tag.code === 0) return commitOf(tag.output);
  const newest = ["git", "log", "-1", "--diff-filter=A", "--format=%H", "--", "migrations"];
  const changed = await capture(newest);
  // A shallow clone's oldest commit seems to have changed everything, and has no parent.
  return changed.code === 0 ? commitOf(`${changed.output}^`) : undefined;
}

async function commitOf(name: string): Promise<string | undefined> {
  const found = await capture(["git", "rev-parse", "--verify", "--quiet", `${name}^{commit}`]);
  return found.code === 0 ? found.output : undefined;
}

/** A folder of its own with the program of that commit in it. */
export async function placeOf(commit: string): Promise<Place> {
  const built = join(
    process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"),
    "app-backing",
    "builds",
    commit,
  );
  if (!existsSync(built)) await build(commit, built);
  const folder = mkdtempSync(join(tmpdir(), "app-previous-"));
  const program = join(folder, "app");
  copyFileSync(built, program);
  return { folder, program };
}

async function build(commit: string, built: string): Promise<void> {
  const tree = mkdtempSync(join(tmpdir(), "app-previous-tree-"));
  try {
    await run(["git", "worktree", "add", "--detach", "--force", tree, commit]);
    await install(tree);
    await run(["bun", join(tree, "scripts", "build.ts")], { cwd: tree });
    // Those of earlier commits will not be asked for again.
    rmSync(dirname(built), { recursive: true, force: true });
    mkdirSync(dirname(built), { recursive: true });
    const draft = `${built}.${process.pid}`;
    copyFileSync(join(tree, "dist", "app"), draft);
    renameSync(draft, built);
  } finally {
    await capture(["git", "worktree", "remove", "--force", tree]);
    rmSync(tree, { recursive: true, force: true });
  }
}

/** What is installed here serves where the same is asked for. */
async function install(tree: string): Promise<void> {
  const lock = (folder: string) => Bun.file(join(folder, "bun.lock")).text();
  if ((await lock(tree)) === (await lock(root))) {
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
    return;
  }
  await run(["bun", "install", "--frozen-lockfile"], { cwd: tree });
}
