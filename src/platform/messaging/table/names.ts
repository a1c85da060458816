/** The tables of the log in tables, in the schema that holds them. */
import { SqlName } from "../../database/database.ts";

export interface LogTables {
  readonly identity: SqlName;
  readonly topic: SqlName;
  readonly partition: SqlName;
  readonly message: SqlName;
  readonly cursor: SqlName;
  readonly member: SqlName;
}

export function logTables(schema: string): LogTables {
  const name = (table: string): SqlName => new SqlName(schema, table);
  return {
    identity: name("identity"),
    topic: name("topic"),
    partition: name("partition"),
    message: name("message"),
    cursor: name("cursor"),
    member: name("member"),
  };
}
