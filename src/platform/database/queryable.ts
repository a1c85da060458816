/**
 * Builds what both adapters offer over one way of running a statement: the `sql` tag and Drizzle's
 * query builder. The adapter only says how a text with bound strings is run.
 */
import { drizzle } from "drizzle-orm/pg-proxy";
import type { Queryable, SqlValue } from "./database.ts";
import { encode, type Statement, statement } from "./statement.ts";

export interface Run extends Statement {
  /** Rows as objects by column name, or as arrays in column order. */
  readonly rows: "objects" | "arrays";
  /** Prepared once per connection and reused: for texts that come again and again. */
  readonly prepare: boolean;
}

/** What an adapter knows how to do with its connections. */
export interface Runner {
  run(query: Run): Promise<unknown[]>;
  script(text: string): Promise<void>;
}

/** One connection of its own for one transaction. */
export interface Session {
  run(query: Run): Promise<unknown[]>;
  /** Answers the tag of the last command: a COMMIT may answer ROLLBACK. */
  script(text: string): Promise<string>;
  /** ROLLBACK did not get through: nothing may run on this session again. */
  abandon(cause: unknown): void;
}

export function createQueryable({ run, script }: Runner): Queryable {
  return {
    // The caller names the row type; the database cannot be asked at compile time.
    sql: <R extends object>(
      strings: TemplateStringsArray,
      ...values: Parameters<typeof statement>[1]
    ) => run({ ...statement(strings, values), rows: "objects", prepare: true }) as Promise<R[]>,
    script,
    orm: drizzle(async (text, params: SqlValue[], method) => {
      const rows = method === "all" ? "arrays" : "objects";
      return { rows: await run({ text, params: params.map(encode), rows, prepare: false }) };
    }),
  };
}
