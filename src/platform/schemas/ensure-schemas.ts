/**
 * Registers the schemas of our topics and says how strict the registry has to be about their
 * successors. Whatever can be looked at is looked at before one is registered; what imports a changed
 * file is judged by the registry itself, which has been told the level by then.
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
  const changes = await compare(registry, subjects);
  if (dryRun) return changes;
  for (const { kind, subject } of changes) {
    if (kind === "level") await registry.setLevel(subject, level);
  }
  const known = new Map<string, Registered>();
  for (const subject of subjects) {
    const schema = schemaOf(subject, known);
    const found = await registry.find(subject.name, schema);
    known.set(subject.name, found ?? (await registry.register(subject.name, schema)));
  }
  return changes;
}

async function compare(
  registry: SchemaRegistry,
  subjects: readonly Subject[],
): Promise<readonly SchemaChange[]> {
  const changes: SchemaChange[] = [];
  const conflicts: string[] = [];
  const known = new Map<string, Registered>();
  for (const subject of subjects) {
    const { name } = subject;
    const is = subject.foreign ? level : await registry.level(name);
    if (!strictEnough.has(is ?? "")) {
      changes.push({ kind: "level", subject: name, is, wanted: level });
    }
    const schema = schemaIfKnown(subject, known);
    const found = schema && (await registry.find(name, schema));
    if (found !== undefined) known.set(name, found);
    else changes.push({ kind: "register", subject: name, wanted: subject.topic ?? name });
    // Whether it fits can be asked only once what it imports is there.
    if (schema !== undefined && found === undefined) {
      const told = await registry.conflicts(name, schema);
      conflicts.push(...told.map((reason) => `${name}: ${reason}`));
    }
  }
  if (conflicts.length === 0) return changes;
  throw new SystemicError(
    `readers of these schemas could not read what was written before: ${conflicts.join("; ")}`,
  );
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

function schemaOf(subject: Subject, known: ReadonlyMap<string, Registered>): Schema {
  const schema = schemaIfKnown(subject, known);
  if (schema === undefined) throw new Error(`${subject.name} stands before what it imports`);
  return schema;
}
