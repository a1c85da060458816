/**
 * The outcome of a COMMIT is lost on the way. The caller sees an error whichever way it went, and
 * running the same work again meets what is there: done once, never twice, never not at all.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import type { Database } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import { TransientError } from "#platform/errors";
import { type FreshPostgres, failure, freshPostgres } from "../support/databases.ts";
import { createPostgresProxy, type PostgresProxy } from "../support/postgres-proxy.ts";

const TIMEOUT_MS = 30_000;
const DEADLINE_MS = 700;
let fresh: FreshPostgres;
let proxy: PostgresProxy;
/** Through the proxy. */
let db: Database;
let direct: Database;

beforeAll(async () => {
  fresh = await freshPostgres();
  proxy = await createPostgresProxy(fresh.url);
  db = openPostgres({ url: proxy.url, max: 2, deadlineMs: DEADLINE_MS });
  direct = openPostgres({ url: fresh.url, max: 1 });
  await direct.script(`
    CREATE TABLE position (next int NOT NULL);
    CREATE TABLE effect (at_position int NOT NULL)`);
}, TIMEOUT_MS);
beforeEach(async () => {
  await direct.script("TRUNCATE position, effect; INSERT INTO position VALUES (0)");
});
afterAll(async () => {
  await db.close();
  await direct.close();
  await proxy.close();
  await fresh.drop();
}, TIMEOUT_MS);

/** Does its work once: the position's lock waits for whoever is still committing, then knows. */
async function handleFirst(): Promise<"done" | "known"> {
  return db.withTx(async (tx) => {
    const [row] = await tx.sql<{ next: number }>`SELECT next FROM position FOR UPDATE`;
    if (row?.next !== 0) return "known";
    await tx.sql`INSERT INTO effect VALUES (0)`;
    await tx.sql`UPDATE position SET next = 1`;
    return "done";
  });
}

async function effects(): Promise<number> {
  return (await direct.sql`SELECT 1 FROM effect`).length;
}

test("an honest proxy changes nothing", async () => {
  expect(await handleFirst()).toBe("done");
  expect(await handleFirst()).toBe("known");
  expect(await effects()).toBe(1);
});

test("the reply of COMMIT is cut: an error, the row is there, the second run finds it", async () => {
  proxy.breakNextCommit("cut-reply");
  const broken = proxy.broken();
  expect(await failure(handleFirst())).toBeInstanceOf(TransientError);
  expect(proxy.broken()).toBe(broken + 1);
  expect(await effects()).toBe(1);
  expect(await handleFirst()).toBe("known");
  expect(await effects()).toBe(1);
});

test("COMMIT never reaches the server: an error, no row, the second run writes it", async () => {
  proxy.breakNextCommit("cut-before");
  expect(await failure(handleFirst())).toBeInstanceOf(TransientError);
  expect(await effects()).toBe(0);
  expect(await handleFirst()).toBe("done");
  expect(await effects()).toBe(1);
});

test("no reply and no end of the connection: an error at the deadline, then work goes on", async () => {
  proxy.breakNextCommit("silence");
  const started = performance.now();
  expect(await failure(handleFirst())).toBeInstanceOf(TransientError);
  expect(performance.now() - started).toBeLessThan(DEADLINE_MS + 5_000);
  expect(await handleFirst()).toBe("known");
  expect(await effects()).toBe(1);
});
