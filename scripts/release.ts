/**
 * `npm run release`: the binaries of this version for each machine it runs on, what is inside them, and
 * checksums, in dist/release. Compiled here for all of them; what is embedded is the same bytes everywhere.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { build, compile } from "./build.ts";
import { root } from "./process.ts";
import { billOfMaterials } from "./sbom.ts";

const own = join(root, "dist", "release");

/** Of Bun's targets; the x64 one asks for no newer processor than any of the last ten years. */
const targets = ["linux-x64", "linux-arm64"] as const;

/** Paths of the binaries. */
export async function release(
  wanted: readonly (typeof targets)[number][] = targets,
  folder = own,
): Promise<readonly string[]> {
  // What is embedded is made on the way.
  await build({ ifStale: true });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const binaries: string[] = [];
  for (const target of wanted) {
    const binary = join(folder, `app-${manifest.version}-${target}`);
    await compile(binary, target);
    // The binary has it inside.
    rmSync(`${binary}.map`, { force: true });
    binaries.push(binary);
  }
  const bill = join(folder, `app-${manifest.version}.cdx.json`);
  await Bun.write(bill, `${JSON.stringify(billOfMaterials(), undefined, 2)}\n`);
  await Bun.write(join(folder, "SHA256SUMS"), [...binaries, bill].map(sumLine).join(""));
  return binaries;
}

/** As `sha256sum --check` reads it. */
function sumLine(path: string): string {
  const sum = new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
  return `${sum}  ${basename(path)}\n`;
}

if (import.meta.main) {
  for (const binary of await release()) console.error(binary);
}
