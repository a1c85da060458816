/** Looks for words where they must not be: in every table of every schema, however they are encoded. */
import { type Database, SqlName } from "#platform/database/database";
import type { Logger } from "#platform/telemetry/logger";

/** A logger that keeps every line, unmasked. */
export function keepingLogger(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (fields: object, message: string) => {
    lines.push(`${message} ${Bun.inspect(fields, { depth: 8 })}`);
  };
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
  return { logger, lines };
}

/** `schema.table: word` for every word found in any row. */
export async function spilledInto(db: Database, words: readonly string[]): Promise<string[]> {
  const tables = await db.sql<{ schema: string; name: string }>`
    SELECT table_schema AS schema, table_name AS name FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
    ORDER BY 1, 2`;
  const found: string[] = [];
  for (const { schema, name } of tables) {
    const rows = await db.sql<{ row: string }>`
      SELECT t::text AS row FROM ${new SqlName(schema, name)} t`;
    const text = rows.map(({ row }) => row).join("\n");
    found.push(...spilledIn(text, words).map((word) => `${schema}.${name}: ${word}`));
  }
  return found;
}

/** The words a text holds, as they are, in hex (as bytea is shown) or in base64. */
export function spilledIn(text: string, words: readonly string[]): string[] {
  const lower = text.toLowerCase();
  return words.filter((word) => {
    const bytes = Buffer.from(word, "utf8");
    // Base64 depends on where in its group of three a word begins.
    const groups = [0, 1, 2].map((skip) => bytes.subarray(skip).toString("base64").slice(0, -4));
    return (
      lower.includes(word.toLowerCase()) ||
      lower.includes(bytes.toString("hex")) ||
      groups.some((group) => text.includes(group))
    );
  });
}
