/**
 * Writes src/gen from proto/. The result is committed, and `bun run check` makes it again elsewhere
 * and compares: what is compiled is always what the .proto files say.
 * `--baseline` also writes proto/baseline.binpb, the released contract that `buf breaking` protects.
 */
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { root, run } from "./process.ts";

export async function generate(out: string): Promise<void> {
  // Into a fresh folder: files of a deleted .proto must not stay behind.
  await rm(out, { recursive: true, force: true });
  const template = Bun.YAML.parse(await Bun.file(join(root, "buf.gen.yaml")).text()) as {
    plugins: { out: string }[];
  };
  const plugins = template.plugins.map((plugin) => ({ ...plugin, out }));
  await run(["buf", "generate", "--template", JSON.stringify({ ...template, plugins })]);
}

if (import.meta.main) {
  const fresh = join(root, "src", ".gen-fresh");
  await generate(fresh);
  await rm(join(root, "src", "gen"), { recursive: true, force: true });
  await rename(fresh, join(root, "src", "gen"));
  if (process.argv.includes("--baseline")) {
    await run(["buf", "build", "--exclude-source-info", "-o", "proto/baseline.binpb"]);
  }
}
