/** The schemas' part of `app topics`: what a registry lacks, and what is told of it. */
import { ensureSchemas, type SchemaChange } from "#platform/schemas/ensure-schemas";
import type { Config } from "../config.ts";
import { openSchemaRegistry, schemaSubjects } from "../schemas.ts";

/** Nothing where no registry is configured. Throws SystemicError for a schema that would stop readers. */
export async function registerSchemas(
  config: Config,
  options: { readonly dryRun: boolean },
): Promise<readonly SchemaChange[]> {
  const registry = openSchemaRegistry(config);
  if (registry === undefined) return [];
  return ensureSchemas(registry, await schemaSubjects(config), options);
}

export function schemaChangeText({ kind, subject, is, wanted }: SchemaChange): string {
  if (kind === "register") return `register the schema of ${subject}`;
  return `set compatibility=${wanted} on ${subject} (${is === undefined ? "has none" : `is ${is}`})`;
}
