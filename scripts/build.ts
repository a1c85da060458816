/**
 * Makes dist/app, one file that needs nothing beside it: sources, migrations, the embedded
 * database and a migrated copy of it. `--if-stale` does nothing when no input changed.
 */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { postgresFilePath, postgresFiles } from "#platform/database/pglite";
import { snapshotName } from "../src/stores.ts";
import { root, run } from "./process.ts";
import { makeSnapshot } from "./snapshot.ts";

const dist = join(root, "dist");
const app = join(dist, "app");
const embedded = join(dist, "embedded");
const snapshot = join(embedded, `${snapshotName}.zst`);

/** A digest of the named files' paths and contents. */
async function digest(patterns: readonly string[]): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for (const pattern of patterns) {
    const names = await Array.fromAsync(new Bun.Glob(pattern).scan({ cwd: root }));
    for (const name of names.sort()) {
      hash.update(`${name}\0`);
      hash.update(await Bun.file(join(root, name)).arrayBuffer());
    }
  }
  return hash.digest("hex");
}

/** Runs `make` unless `made` was made from the same inputs. */
async function unlessCurrent(
  made: string,
  inputs: readonly string[],
  make: () => Promise<void>,
): Promise<boolean> {
  const stamp = join(dist, `${basename(made)}.inputs`);
  const now = await digest(inputs);
  const before = await Bun.file(stamp)
    .text()
    .catch(() => "");
  if (existsSync(made) && before === now) return false;
  await make();
  await Bun.write(stamp, now);
  return true;
}

/** Packed once and slowly: it is unpacked at every start. */
async function pack(contents: Blob, path: string): Promise<void> {
  await Bun.write(path, await Bun.zstdCompress(await contents.bytes(), { level: 19 }));
}

/** `target`: of Bun's for other machines, as in `linux-arm64`; this machine's own when absent. */
export async function compile(outfile = app, target?: string): Promise<void> {
  await run([
    "bun",
    "build",
    "--compile",
    "--minify",
    // Stack traces with our names and lines, in a minified binary.
    "--sourcemap",
    // Half of the time that starting takes before the first line of ours is parsing.
    "--bytecode",
    "--format=esm",
    // Without these the binary would run the bunfig.toml and .env of whatever folder it stands in.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--asset=migrations",
    "--asset=proto",
    "--asset=dist/embedded",
    "src/main.ts",
    "--outfile",
    outfile,
    ...(target === undefined ? [] : [`--target=bun-${target}`]),
  ]);
}

const engine = ["package.json", "bun.lock", "patches/**"];
const migrations = [
  "migrations/**/*.sql",
  "src/platform/database/{pglite,migrat}*.ts",
  "src/stores.ts",
];
const sources = ["proto/**/*.proto", "src/**/*", "scripts/build.ts", "tsconfig.json"];

export async function build({ ifStale }: { readonly ifStale: boolean }): Promise<void> {
  const begun = performance.now();
  const ownInputs = [...engine, ...migrations];
  await unlessCurrent(snapshot, ownInputs, async () => pack(await makeSnapshot(), snapshot));
  for (const name of postgresFiles) {
    const packed = join(embedded, `${name}.zst`);
    await unlessCurrent(packed, engine, () => pack(Bun.file(postgresFilePath(name)), packed));
  }
  const inputs = [...ownInputs, ...sources];
  if (!ifStale)
    await Bun.file(`${app}.inputs`)
      .delete()
      .catch(() => {});
  if (await unlessCurrent(app, inputs, () => compile())) {
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    const megabytes = Math.round(Bun.file(app).size / 1e6);
    console.error(`built dist/app: ${megabytes} MB in ${seconds} s`);
  }
}

if (import.meta.main) await build({ ifStale: process.argv.includes("--if-stale") });
