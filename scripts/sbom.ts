/**
 * What is inside the binary, as a CycloneDX bill of materials: the runtime packages that the lock file
 * names, each with version, licence and integrity, and Bun itself.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { root } from "./process.ts";

export interface Component {
  readonly name: string;
  readonly version: string;
  /** As the package says it; "" where it says nothing. */
  readonly licence: string;
  /** sha512, base64. */
  readonly integrity: string;
}

interface Details {
  readonly dependencies?: Readonly<Record<string, string>>;
}
type Entry = readonly [id: string, registry: string, details: Details, integrity: string];

/** The lock file's packages by their place: "pino", or "pino/sonic-boom" for a version of its own. */
export function lockedPackages(): ReadonlyMap<string, Entry> {
  const lock = Bun.JSONC.parse(readFileSync(join(root, "bun.lock"), "utf8"));
  const { packages } = lock as { packages: Readonly<Record<string, Entry>> };
  return new Map(Object.entries(packages));
}

/** Everything that a dependency, and not only a tool of development, needs; by name. */
export function components(): readonly Component[] {
  const locked = lockedPackages();
  const found = new Map<string, Component>();
  const waiting = Object.keys({ ...manifest.dependencies, bun: "" }).map((name) => ({
    name,
    by: "",
  }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { name, by } = next;
    const place = locked.has(`${by}/${name}`) ? `${by}/${name}` : name;
    const entry = locked.get(place);
    if (entry === undefined) throw new Error(`${name} is not in the lock file`);
    const [id, , { dependencies = {} }, integrity] = entry;
    const version = id.slice(id.lastIndexOf("@") + 1);
    if (found.has(id)) continue;
    found.set(id, {
      name,
      version,
      licence: licenceOf(place),
      integrity: integrity.slice("sha512-".length),
    });
    for (const needed of Object.keys(dependencies)) waiting.push({ name: needed, by: name });
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function licenceOf(place: string): string {
  const folder = join(root, "node_modules", ...place.split(/(?<!@[^/]*)\//).flatMap(nested));
  const path = join(folder, "package.json");
  if (!existsSync(path)) throw new Error(`${place} is not installed`);
  const { license = "" } = JSON.parse(readFileSync(path, "utf8")) as { license?: string };
  return license;
}

function nested(name: string, index: number): string[] {
  return index === 0 ? [name] : ["node_modules", name];
}

/** CycloneDX 1.6, JSON. */
export function billOfMaterials(): object {
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        name: manifest.name,
        version: manifest.version,
        licenses: [{ license: { id: manifest.license } }],
      },
    },
    components: components().map(({ name, version, licence, integrity }) => ({
      type: "library",
      name,
      version,
      purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      licenses: [{ expression: licence }],
      hashes: [{ alg: "SHA-512", content: Buffer.from(integrity, "base64").toString("hex") }],
    })),
  };
}
