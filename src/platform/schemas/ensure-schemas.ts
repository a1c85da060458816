/**
 * Registers the schemas of our topics, after telling the registry how strict it has to be about their
 * successors. Whatever can be compared is compared before one is registered; what imports a changed
 * file is judged by the registry when its turn comes.
 */
import { SystemicError } from "../errors.ts";
import type { Registered, Schema, SchemaRegistry } from "./registry.ts";
import type { Subject } from "./subjects.ts";

/** One difference between the registry and what our topics need. */
export interface SchemaChange {
  readonly kind: "register" | "level";
  readonly subject: string;
  /** Of "level" only; undefined where the subject has none of its own. */
  readonly is?: string | undefined;
  readonly wanted: string;
}

/** New readers read what old writers wrote. An owner may ask for more. */
const level = "BACKWARD";
const strictEnough = new Set([level, "BACKWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]);

/** Resolves to what was (or with dryRun would be) changed; throws SystemicError for what would stop readers. */
export async function ensureSchemas(
  registry: SchemaRegistry,
  subjects: readonly Subject[],
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<readonly SchemaChange[]> {
  const levels = await tooLax(registry, subjects);
  // Before anything is compared: a registry judges by the level it has.
  if (!dryRun) for (const { subject } of levels) await registry.setLevel(subject, level);
  const missing = await unregistered(registry, subjects);
  if (!dryRun && missing.length > 0) await register(registry, subjects);
  return [...levels, ...missing];
}

async function tooLax(
  registry: SchemaRegistry,
  subjects: readonly Subject[],
): Promise<readonly SchemaChange[]> {
  const changes: SchemaChange[] = [];
  for (const { name, foreign } of subjects) {
    const is = foreign ? level : await registry.level(name);
    if (strictEnough.has(is ?? "")) continue;
    changes.push({ kind: "level", subject: name, is, wanted: level });
  }
  return changes;
}

async function unregistered(
  registry: SchemaRegistry,
  subjects: readonly Subject[],
): Promise<readonly SchemaChange[]> {
  const missing: SchemaChange[] = [];
  const conflicts: string[] = [];
  const known = new Map<string, Registered>();
  for (const subject of subjects) {
    const { name, topic = name } = subject;
    const schema = schemaIfKnown(subject, known);
    const found = schema && (await registry.find(name, schema));
    if (found !== undefined) {
      known.set(name, found);
      continue;
    }
    missing.push({ kind: "register", subject: name, wanted: topic });
    // Whether it fits can be asked only once what it imports is there.
    const told = schema === undefined ? [] : await registry.conflicts(name, schema);
    conflicts.push(...told.map((reason) => `${name}: ${reason}`));
  }
  if (conflicts.length === 0) return missing;
  throw new SystemicError(
    `readers of these schemas could not read what was written before: ${conflicts.join("; ")}`,
  );
}

async function register(registry: SchemaRegistry, subjects: readonly Subject[]): Promise<void> {
  const known = new Map<string, Registered>();
  for (const subject of subjects) {
    const { name } = subject;
    const schema = schemaIfKnown(subject, known);
    if (schema === undefined) throw new Error(`${name} stands before what it imports`);
    const found = await registry.find(name, schema);
    known.set(name, found ?? (await registry.register(name, schema)));
  }
}

/** Undefined while a file it imports is not registered. */
export function schemaIfKnown(
  { text, imports }: Subject,
  known: ReadonlyMap<string, Registered>,
): Schema | undefined {
  const references = imports.flatMap(({ name, subject }) => {
    const found = known.get(subject);
    return found === undefined ? [] : [{ name, subject, version: found.version }];
  });
  return references.length === imports.length ? { text, references } : undefined;
}
