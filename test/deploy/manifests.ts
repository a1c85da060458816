/**
 * The files of deploy/ as their readers see them: each document parsed, and held against the schema of
 * its kind. Schemas are strict, so that a misspelt field is a fault and not silently ignored.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv, { type ValidateFunction } from "ajv";
import { root } from "../../scripts/process.ts";

export interface Manifest {
  readonly path: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: any resource's own fields
  readonly [field: string]: any;
}

export async function readManifests(pattern: string): Promise<readonly Manifest[]> {
  const paths = await Array.fromAsync(new Bun.Glob(pattern).scan({ cwd: root }));
  return paths.sort().flatMap((path) => manifestsOf(path, readFileSync(join(root, path), "utf8")));
}

export function manifestsOf(path: string, text: string): readonly Manifest[] {
  const parsed = Bun.YAML.parse(text) as object | readonly object[];
  const documents = Array.isArray(parsed) ? parsed : [parsed];
  return documents
    .filter((document) => document !== null)
    .map((document) => ({ ...document, path }) as Manifest);
}

interface Schemas {
  readonly kinds: Readonly<Record<string, object>>;
  readonly $defs: object;
}

const names = ["kubernetes", "strimzi", "routes-and-scaling"];

/** What is wrong with a manifest, in words; nothing when it fits. */
export function createValidator(): (manifest: Manifest) => readonly string[] {
  const validators = new Map<string, ValidateFunction>();
  for (const name of names) {
    const file = join(import.meta.dir, "schemas", `${name}.json`);
    const { kinds, $defs } = JSON.parse(readFileSync(file, "utf8")) as Schemas;
    // Formats such as int32 are Kubernetes' own names for plain types.
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
    for (const [kind, schema] of Object.entries(kinds)) {
      validators.set(kind, ajv.compile({ ...schema, $defs }));
    }
  }
  return ({ path, ...manifest }) => {
    const name = `${manifest["apiVersion"]}/${manifest["kind"]}`;
    const validate = validators.get(name);
    if (validate === undefined) return [`${path}: no schema for ${name}`];
    if (validate(manifest)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${path} ${name}${instancePath}: ${message} ${JSON.stringify(params)}`,
    );
  };
}
