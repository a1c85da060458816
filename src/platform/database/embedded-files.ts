/** Files that the build packs into the compiled program, smaller than they are; outside of it there are none. */
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Undefined where this is not the compiled program. */
export function embeddedFile(name: string): (() => Promise<Blob>) | undefined {
  const path = join(import.meta.dir, "embedded", `${name}.zst`);
  if (!existsSync(path)) return undefined;
  return async () => new Blob([await Bun.zstdDecompress(await Bun.file(path).bytes())]);
}
