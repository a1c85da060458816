/** Does the schema registry have what this version writes, as strict as it has to be? */
import { SystemicError, TransientError } from "#platform/errors";
import { ensureSchemas } from "#platform/schemas/ensure-schemas";
import type { Config } from "../config.ts";
import { openSchemaRegistry, schemaSubjects } from "../schemas.ts";
import { doubt, type Finding, ill, unreachable, well } from "./finding.ts";

/** Nothing where none is configured. */
export async function examineSchemas(config: Config): Promise<Finding[]> {
  const registry = openSchemaRegistry(config);
  if (registry === undefined) return [];
  const remedy = "run `app topics`";
  try {
    const subjects = await schemaSubjects(config);
    const changes = await ensureSchemas(registry, subjects, { dryRun: true });
    if (changes.length === 0) {
      return [well("schemas", `the registry has all ${subjects.length} of this version`)];
    }
    return changes.map(({ kind, subject, is = "none" }) =>
      kind === "register"
        ? ill("schemas", `the registry lacks this version of ${subject}`, remedy)
        : doubt("schemas", `compatibility of ${subject} is ${is}`, remedy),
    );
  } catch (error) {
    if (error instanceof TransientError) {
      const mend = "mend KAFKA_SCHEMA_REGISTRY_URL, its user and password, or the way there";
      return [unreachable("schemas", error.message, mend)];
    }
    if (error instanceof SystemicError) {
      return [ill("schemas", error.message, "docs/guides/schema-change.md says what can be done")];
    }
    throw error;
  }
}
