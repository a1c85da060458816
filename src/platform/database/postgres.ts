/**
 * The adapter for a PostgreSQL server, on postgres.js (patched: see patches/). A transaction has a
 * connection of its own and ends with it; whatever is not answered within the deadline is rejected
 * and the whole pool replaced, because a connection that fell silent never says so. A rejection at
 * COMMIT means "unknown": the caller runs the same work again.
 */

import { SystemicError, TransientError } from "../errors.ts";
import type { Database } from "./database.ts";
import { refuseInsideTx } from "./inside-tx.ts";
import { createPostgresPool, type PostgresOptions } from "./postgres-pool.ts";
import { createQueryable } from "./queryable.ts";
import { runTransaction } from "./transaction.ts";

export type { PostgresOptions } from "./postgres-pool.ts";

/** Connects with the first statement, so a server that is still starting fails that one only. */
export function openPostgres(options: PostgresOptions): Database {
  const pool = createPostgresPool(options);
  const running = new Set<Promise<unknown>>();
  let closing = false;
  const use = <T>(what: string, work: () => Promise<T>): Promise<T> => {
    refuseInsideTx(what);
    if (closing) throw new TransientError("the database is being closed");
    const mine = work();
    running.add(mine);
    const settled = (): void => {
      running.delete(mine);
    };
    mine.then(settled, settled);
    return mine;
  };
  return {
    kind: "postgres",
    location: pool.location,
    ...createQueryable({
      run: async (query) => use("Database.sql", () => pool.run(query)),
      script: async (text) => {
        await use("Database.script", () => pool.script(text));
      },
    }),
    withTx: async (work, txOptions) =>
      use("Database.withTx", async () => {
        const lease = await pool.lease();
        try {
          return await runTransaction(lease.session, work, txOptions);
        } finally {
          lease.release();
        }
      }),
    close: async () => {
      refuseInsideTx("Database.close");
      closing = true;
      const { promise: deadline, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, pool.deadlineMs);
      await Promise.race([Promise.allSettled(running), deadline]);
      // Else a command that is done would stay for as long as the deadline.
      clearTimeout(timer);
      await pool.close();
    },
  };
}

const durability = ["fsync", "full_page_writes", "synchronous_commit"] as const;

/** Refuses a server that acknowledges a commit before it is safe on its disk. */
export async function assertDurable(db: Database): Promise<void> {
  if (db.kind !== "postgres") return;
  const off = await db.sql<{ name: string }>`
    SELECT name FROM pg_settings WHERE name = ANY(${durability}::text[]) AND setting = 'off' ORDER BY name`;
  const names = off.map(({ name }) => name).join(", ");
  if (names !== "") {
    throw new SystemicError(
      `PostgreSQL setting is off, acknowledged money could be lost: ${names}`,
    );
  }
}
