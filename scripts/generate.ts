/**
 * Writes src/gen from proto/, and the same for a guide's example. The result is committed, and
 * `bun run check` makes it again elsewhere and compares: what is compiled is always what the .proto
 * files say.
 * `--baseline` also writes proto/baseline.binpb, the released contract that `buf breaking` protects.
 */
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { root, run } from "./process.ts";

export const generated = [
  { from: "proto", to: "src/gen" },
  { from: "test/guides/proto", to: "test/guides/gen" },
] as const;

export async function generate(from: string, out: string): Promise<void> {
  // Into a fresh folder: files of a deleted .proto must not stay behind.
  await rm(out, { recursive: true, force: true });
  const template = Bun.YAML.parse(await Bun.file(join(root, "buf.gen.yaml")).text()) as {
    version: string;
    plugins: { out: string }[];
  };
  const { version } = template;
  const plugins = template.plugins.map((plugin) => ({ ...plugin, out }));
  await run(["buf", "generate", "--template", JSON.stringify({ version, plugins }), from]);
}

if (import.meta.main) {
  for (const { from, to } of generated) {
    const fresh = join(root, `${to}-fresh`);
    await generate(from, fresh);
    await rm(join(root, to), { recursive: true, force: true });
    await rename(fresh, join(root, to));
  }
  if (process.argv.includes("--baseline")) {
    await run(["buf", "build", "--exclude-source-info", "-o", "proto/baseline.binpb"]);
  }
}
