/** The ids that a registry gave our schemas, kept in the database for starts without it. */
import type { Database } from "../database/database.ts";

export interface KeptId {
  readonly subject: string;
  readonly fingerprint: string;
  readonly id: number;
}

export interface KeptIds {
  load(registry: string): Promise<readonly KeptId[]>;
  keep(registry: string, ids: readonly KeptId[]): Promise<void>;
}

export function createKeptIds(db: Pick<Database, "sql">): KeptIds {
  return {
    load: (registry) => db.sql<KeptId>`
      SELECT subject, fingerprint, id FROM log.schema_id WHERE registry = ${registry}`,
    async keep(registry, ids) {
      await db.sql`
        INSERT INTO log.schema_id (registry, subject, fingerprint, id)
        SELECT ${registry}, * FROM unnest(
          ${ids.map(({ subject }) => subject)}::text[],
          ${ids.map(({ fingerprint }) => fingerprint)}::text[],
          ${ids.map(({ id }) => id)}::int[]
        )
        ON CONFLICT (registry, subject, fingerprint) DO UPDATE SET id = excluded.id`;
    },
  };
}
