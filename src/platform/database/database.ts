/**
 * The port to a relational database. Two adapters stand behind it, both real: PGlite (embedded)
 * and PostgreSQL by postgres.js. What a transaction wrote is there whole or not at all, also when
 * its connection dies between two statements (adapters are held to that by test/contract).
 */
import type { PgRemoteDatabase } from "drizzle-orm/pg-proxy";

/** What may be bound to a placeholder. Arrays are PostgreSQL arrays of one scalar type. */
export type SqlScalar = string | number | bigint | boolean | Date | Uint8Array | null;
export type SqlValue =
  | SqlScalar
  | readonly (string | null)[]
  | readonly bigint[]
  | readonly number[]
  | readonly boolean[]
  | readonly Date[];

/** An identifier (schema, table, column) put into the statement's text, quoted. Never user input. */
export class SqlName {
  readonly text: string;
  constructor(...parts: readonly string[]) {
    for (const part of parts) {
      if (!/^[a-z_][a-z0-9_]*$/.test(part)) throw new Error(`not an SQL name: ${part}`);
    }
    this.text = parts.map((part) => `"${part}"`).join(".");
  }
}

/**
 * The columns of rows to be written, for `INSERT INTO t (${columns}) SELECT ${columns} FROM
 * jsonb_populate_recordset(...)`. Named, so that a process of an older version leaves a column that
 * it does not know yet to its default, as it could not by `SELECT *`.
 */
export class SqlColumns {
  readonly text: string;
  constructor(rows: readonly object[]) {
    const names = new Set(rows.flatMap(Object.keys));
    this.text = Array.from(names, (name) => new SqlName(name).text).join(", ");
  }
}

export type SqlIdentifier = SqlName | SqlColumns;

/** `int8` comes back as bigint, `timestamptz` as Date, `bytea` as Uint8Array, `jsonb` parsed. */
export type Row = Record<string, unknown>;

export interface Queryable {
  /** One prepared statement: `sql<{ id: string }>\`SELECT id FROM t WHERE id = ANY(${ids}::text[])\``. */
  sql<R extends object = Row>(
    text: TemplateStringsArray,
    ...values: (SqlValue | SqlIdentifier)[]
  ): Promise<R[]>;
  /** Several statements without parameters: definitions, never user input. */
  script(text: string): Promise<void>;
  /** Drizzle's typed query builder over the same connection, for statements that are not hot. */
  readonly orm: PgRemoteDatabase;
}

export interface Tx extends Queryable {
  /** Runs `work` inside a savepoint: what it wrote is undone when it throws, the transaction goes on. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
}

export interface TxOptions {
  /** READ COMMITTED unless told otherwise; REPEATABLE READ gives one snapshot for checks. */
  readonly isolation?: "read committed" | "repeatable read";
}

export interface Database extends Queryable {
  readonly kind: "pglite" | "postgres";
  /** For messages only (not a lock, not a key): where the data is. */
  readonly location: string;
  /**
   * Runs `work` in one transaction on one connection. When the connection is lost, the promise
   * rejects with a TransientError, every later statement of `work` is refused, and nothing of it
   * commits. A rejection at COMMIT means "unknown": the caller runs the same work again.
   */
  withTx<T>(work: (tx: Tx) => Promise<T>, options?: TxOptions): Promise<T>;
  close(): Promise<void>;
}
