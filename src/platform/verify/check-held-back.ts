/**
 * I9: no escrow stands still because one of its messages could not be applied and waits for a
 * person. Keys nobody knows (garbage from outside) hold back nothing.
 */

import { type Database, SqlName } from "../database/database.ts";
import { type Finding, found } from "./checks.ts";

export interface KnownKeys {
  readonly schema: string;
  /** The module's own table of escrows, and its column of ids. */
  readonly table: string;
  readonly key: string;
}

export async function checkHeldBack(
  db: Database,
  { schema, table, key }: KnownKeys,
  patienceMs: number,
): Promise<Finding> {
  const [row] = await db.sql<{ n: bigint; first: string | null }>`
    SELECT count(*) AS n, min(b.consumer || ' holds back ' || b.key) AS first
    FROM ${new SqlName(schema, "blocked_key")} b
    WHERE b.since < clock_timestamp() - ${patienceMs}::int * interval '1 millisecond'
      AND EXISTS (SELECT FROM ${new SqlName(schema, table)} t WHERE t.${new SqlName(key)} = b.key)`;
  return {
    id: "I9",
    name: `no escrow is held back in ${schema}`,
    checked: row?.n ?? 0n,
    ...found(row?.first ?? undefined),
  };
}
