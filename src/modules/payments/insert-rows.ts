/** Writes new rows of one table of the payments schema, as JSON in one statement. */
import { SqlColumns, SqlName, type Tx } from "#platform/database/database";
import type { WriteRow } from "./schema.ts";

export async function insertRows(tx: Tx, table: string, rows: readonly WriteRow[]): Promise<void> {
  if (rows.length === 0) return;
  const name = new SqlName("payments", table);
  const columns = new SqlColumns(rows);
  await tx.sql`
    INSERT INTO ${name} (${columns})
    SELECT ${columns} FROM jsonb_populate_recordset(NULL::${name}, ${JSON.stringify(rows)}::jsonb)`;
}
