/** Nothing waits for ever on a PostgreSQL server: every limit is set, and meeting one is transient. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import type { Database } from "#platform/database/database";
import { classifyDatabaseError, sqlState } from "#platform/database/database-error";
import { assertDurable, openPostgres, type PostgresOptions } from "#platform/database/postgres";
import { SystemicError, TransientError } from "#platform/errors";
import { type FreshPostgres, failure, freshPostgres } from "../support/databases.ts";

const TIMEOUT_MS = 30_000;
let fresh: FreshPostgres;
let db: Database;

beforeAll(async () => {
  fresh = await freshPostgres();
  db = openPostgres({ url: fresh.url, max: 4, applicationName: "limits" });
  await db.script("CREATE TABLE thing (id int PRIMARY KEY); INSERT INTO thing VALUES (1)");
}, TIMEOUT_MS);
afterAll(async () => {
  await db.close();
  await fresh.drop();
}, TIMEOUT_MS);

async function opened<T>(
  options: Omit<PostgresOptions, "url"> & { readonly url?: string },
  work: (on: Database) => Promise<T>,
): Promise<T> {
  const on = openPostgres({ url: fresh.url, max: 2, ...options });
  try {
    return await work(on);
  } finally {
    await on.close();
  }
}

const settings = (on: Database): Promise<unknown[]> => on.sql`
  SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
    current_setting('idle_in_transaction_session_timeout') AS idle,
    current_setting('application_name') AS name`;

test("the limits are those of daily work unless told otherwise", async () => {
  expect(await settings(db)).toEqual([
    { statement: "5s", lock: "2s", idle: "10s", name: "limits" },
  ]);
  const long = { statementTimeoutMs: 0, lockTimeoutMs: 60_000, idleInTransactionTimeoutMs: 0 };
  expect(await opened(long, settings)).toEqual([
    { statement: "0", lock: "1min", idle: "0", name: "app" },
  ]);
});

test("a statement that takes too long is ended by the server, the connection lives", async () => {
  await opened({ statementTimeoutMs: 100 }, async (on) => {
    const error = await failure(on.sql`SELECT pg_sleep(5)`);
    expect(sqlState(error)).toBe("57014");
    expect(classifyDatabaseError(error)).toBe("transient");
    expect(await on.sql`SELECT 1 AS one`).toEqual([{ one: 1 }]);
  });
});

test("a lock that is not given in time is an error", async () => {
  await opened({ lockTimeoutMs: 100 }, async (on) => {
    const locked = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    const holder = db.withTx(async (tx) => {
      await tx.sql`SELECT 1 FROM thing FOR UPDATE`;
      locked.resolve();
      await done.promise;
    });
    await locked.promise;
    const error = await failure(on.sql`SELECT 1 FROM thing FOR UPDATE`);
    expect(sqlState(error)).toBe("55P03");
    expect(classifyDatabaseError(error)).toBe("transient");
    done.resolve();
    await holder;
  });
});

test("a transaction that does nothing for too long is lost, and writes nothing", async () => {
  await opened({ idleInTransactionTimeoutMs: 100 }, async (on) => {
    const error = await failure(
      on.withTx(async (tx) => {
        await tx.sql`INSERT INTO thing VALUES (2)`;
        await Bun.sleep(400);
        await tx.sql`INSERT INTO thing VALUES (3)`;
      }),
    );
    expect(error).toBeInstanceOf(TransientError);
    expect(await on.sql`SELECT id FROM thing WHERE id > 1`).toEqual([]);
  });
});

test("a work that swallows the loss of its connection does not report success", async () => {
  await opened({ idleInTransactionTimeoutMs: 100 }, async (on) => {
    let ended = false;
    const error = await failure(
      on.withTx(async (tx) => {
        await tx.sql`INSERT INTO thing VALUES (4)`;
        await Bun.sleep(400);
        await tx.sql`INSERT INTO thing VALUES (5)`.catch(() => undefined);
        await Bun.sleep(50);
        ended = true;
      }),
    );
    expect(error).toBeInstanceOf(TransientError);
    expect(ended).toBe(true);
    expect(await on.sql`SELECT id FROM thing WHERE id > 1`).toEqual([]);
  });
});

test("a server that answers nothing is given up at the deadline and the pool replaced", async () => {
  const warnings: string[] = [];
  const logger = { warn: (_: object, message: string) => void warnings.push(message) };
  await opened({ statementTimeoutMs: 0, deadlineMs: 300, logger }, async (on) => {
    const started = performance.now();
    const [slow, inTx] = await Promise.all([
      failure(on.sql`SELECT pg_sleep(5)`),
      failure(on.withTx((tx) => tx.sql`SELECT pg_sleep(5)`)),
    ]);
    expect(slow).toBeInstanceOf(TransientError);
    expect(inTx).toBeInstanceOf(TransientError);
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(warnings.length).toBeGreaterThan(0);
    expect(await on.sql`SELECT 1 AS one`).toEqual([{ one: 1 }]);
  });
});

test("one connection that falls silent is given up though the others answer", async () => {
  const warnings: string[] = [];
  const logger = { warn: (_: object, message: string) => void warnings.push(message) };
  await opened({ statementTimeoutMs: 0, deadlineMs: 300, logger }, async (on) => {
    const silent = failure(on.sql`SELECT pg_sleep(5)`);
    for (let i = 0; i < 10 && warnings.length === 0; i += 1) {
      // It may be under way on the pool that is given up just then.
      await on.withTx((tx) => tx.sql`SELECT 1`).catch(() => undefined);
      await Bun.sleep(50);
    }
    expect(await silent).toBeInstanceOf(TransientError);
    expect(warnings).toHaveLength(1);
  });
});

test("waiting for a free connection ends at the deadline, and takes none from the others", async () => {
  const warnings: string[] = [];
  const logger = { warn: (_: object, message: string) => void warnings.push(message) };
  await opened({ max: 1, deadlineMs: 400, logger }, async (on) => {
    const busy = on.withTx(async (tx) => {
      for (let i = 0; i < 10; i += 1) {
        await tx.sql`SELECT 1`;
        await Bun.sleep(100);
      }
      return "kept";
    });
    await Bun.sleep(50);
    const [plain, inTx] = await Promise.all([
      failure(on.sql`INSERT INTO thing VALUES (6)`),
      failure(on.withTx((tx) => tx.sql`INSERT INTO thing VALUES (7)`)),
    ]);
    expect(plain).toBeInstanceOf(TransientError);
    expect(inTx).toBeInstanceOf(TransientError);
    expect(await busy).toBe("kept");
    expect(warnings).toEqual([]);
    // Nor does what was given up run when its turn comes.
    expect(await on.withTx((tx) => tx.sql`SELECT id FROM thing WHERE id > 1`)).toEqual([]);
  });
});

test("an answer that waited behind a busy event loop is not taken for silence", async () => {
  const warnings: string[] = [];
  const logger = { warn: (_: object, message: string) => void warnings.push(message) };
  await opened({ deadlineMs: 200, logger }, async (on) => {
    await on.sql`SELECT 1`;
    const answer = on.sql`SELECT repeat('x', 10000000) AS large FROM pg_sleep(0.05)`;
    await Bun.sleep(10);
    Bun.sleepSync(400);
    expect(await answer).toHaveLength(1);
    expect(warnings).toEqual([]);
  });
});

describe("a server that is not there", () => {
  test("is told at once when it refuses", async () => {
    const error = await failure(
      opened({ url: "postgres://app@127.0.0.1:1/app" }, (on) => on.sql`SELECT 1`),
    );
    expect(error).toBeInstanceOf(TransientError);
  });

  test("is told at the connect time-out when it is silent, for a transaction too", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    if (address === null || typeof address === "string") throw new Error("no address");
    const url = `postgres://app@127.0.0.1:${address.port}/app`;
    const started = performance.now();
    await opened({ url, connectTimeoutMs: 300 }, async (on) => {
      const [plain, inTx] = await Promise.all([
        failure(on.sql`SELECT 1`),
        failure(on.withTx(async () => undefined)),
      ]);
      expect(plain).toBeInstanceOf(TransientError);
      expect(inTx).toBeInstanceOf(TransientError);
    });
    expect(performance.now() - started).toBeLessThan(10_000);
    silent.close();
  });
});

test("a server that acknowledges before it has written is refused by name", async () => {
  await assertDurable(db);
  const name = new URL(fresh.url).pathname.slice(1);
  await db.script(`ALTER DATABASE ${name} SET synchronous_commit = off`);
  const error = await opened({}, (on) => failure(assertDurable(on)));
  expect(error).toBeInstanceOf(SystemicError);
  expect(error.message).toContain("synchronous_commit");
});
