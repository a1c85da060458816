/** The .proto files of the public language, from the repository or from inside the compiled program. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** `name` as an import statement has it, such as escrow/v1/types.proto. */
export function readProtoFile(name: string): Promise<string> {
  const embedded = join(import.meta.dir, "proto");
  const folder = existsSync(embedded) ? embedded : join(import.meta.dir, "../../../proto");
  return readFile(join(folder, name), "utf8");
}
