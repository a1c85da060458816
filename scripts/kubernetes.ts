/**
 * Writes the topics and users of deploy/kubernetes from the program's own catalogue and table of
 * rights, so that they cannot drift: `bun scripts/kubernetes.ts`. A test compares.
 */
import { join } from "node:path";
import { root, run } from "./process.ts";

const generated = { topics: "strimzi", users: "strimzi-users" } as const;

/** Path from the repository's root → text. */
export async function generatedManifests(): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const [name, format] of Object.entries(generated)) {
    const told = await run(["bun", "src/main.ts", "topics", "--format", format]);
    const head = "# Written by scripts/kubernetes.ts: change the catalogue, not this file.\n";
    texts.set(`deploy/kubernetes/kafka/${name}.yaml`, `${head}${told}\n`);
  }
  return texts;
}

if (import.meta.main) {
  for (const [path, text] of await generatedManifests()) await Bun.write(join(root, path), text);
}
