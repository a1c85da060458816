/** The rules of the Database port that keep its users honest, held against both adapters. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { bigint, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import type { Database } from "#platform/database/database";
import {
  classifyDatabaseError,
  sqlState,
  violatedConstraint,
} from "#platform/database/database-error";
import { insideTx } from "#platform/database/inside-tx";
import { adapters, failure } from "../support/databases.ts";

/** The first test on a machine runs initdb for the embedded database. */
const OPEN_MS = 60_000;
const BEYOND_DOUBLE = 9_007_199_254_740_993n;

const account = pgTable("account", {
  id: text().primaryKey(),
  balance: bigint({ mode: "bigint" }).notNull(),
  openedAt: timestamp("opened_at", { withTimezone: true, mode: "date" }).notNull(),
  labels: jsonb().$type<{ tags: string[] }>(),
});

describe.each([...adapters])("the database by $name", ({ open }) => {
  let db: Database;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    ({ db, drop } = await open());
    await db.script(`
      CREATE TABLE account (
        id text PRIMARY KEY,
        balance bigint NOT NULL CONSTRAINT balance_not_negative CHECK (balance >= 0),
        opened_at timestamptz NOT NULL DEFAULT now(),
        labels jsonb
      );
      CREATE TABLE parent (id int PRIMARY KEY);
      CREATE TABLE child (id int REFERENCES parent);
    `);
  }, OPEN_MS);
  afterAll(() => drop());

  const insert = async (on: Pick<Database, "sql">, id: string, balance = 0n): Promise<void> => {
    await on.sql`INSERT INTO account (id, balance) VALUES (${id}, ${balance})`;
  };

  describe("inside a transaction", () => {
    const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["sql", () => db.sql`SELECT 1`],
      ["script", () => db.script("SELECT 1")],
      ["orm", async () => db.orm.select().from(account)],
      ["withTx", () => db.withTx(async () => undefined)],
      ["close", () => db.close()],
    ];
    test.each(calls)("db.%s is refused at once instead of waiting for ever", async (_, call) => {
      await db.withTx(async (tx) => {
        const error = await failure(call());
        const reason = error.cause instanceof Error ? error.cause : error;
        expect(reason.message).toContain("inside withTx");
        expect(classifyDatabaseError(error)).toBe("permanent");
        await tx.sql`SELECT 1`;
      });
    });

    test("the mark is set there and nowhere else", async () => {
      let later: Promise<unknown> = Promise.resolve();
      expect(insideTx()).toBe(false);
      await db.withTx(async () => {
        expect(insideTx()).toBe(true);
        later = Bun.sleep(30).then(() => db.sql`SELECT 7 AS seven`);
      });
      expect(insideTx()).toBe(false);
      expect(await later).toEqual([{ seven: 7 }]);
    });

    test("other work goes on and waits at most for its turn", async () => {
      const [, row] = await Promise.all([
        db.withTx(async () => Bun.sleep(30)),
        db.sql`SELECT 8 AS eight`,
      ]);
      expect(row).toEqual([{ eight: 8 }]);
    });
  });

  describe("the query builder", () => {
    const openedAt = new Date("2026-02-03T04:05:06.789Z");
    const row = { id: "orm", balance: BEYOND_DOUBLE, openedAt, labels: { tags: ["a", 'b"'] } };

    test("writes and reads typed rows", async () => {
      await db.orm.insert(account).values(row);
      expect(await db.orm.select().from(account).where(eq(account.id, "orm"))).toEqual([row]);
    });

    test("works in a transaction and is rolled back with it", async () => {
      await failure(
        db.withTx(async (tx) => {
          await tx.orm.insert(account).values({ ...row, id: "orm-undone" });
          const inside = await tx.orm.select().from(account).where(eq(account.id, "orm-undone"));
          expect(inside).toHaveLength(1);
          throw new Error("no");
        }),
      );
      const rows = await db.orm.select().from(account).where(eq(account.id, "orm-undone"));
      expect(rows).toEqual([]);
    });

    test("hides no SQLSTATE", async () => {
      const error = await failure((async () => db.orm.insert(account).values(row))());
      expect(sqlState(error)).toBe("23505");
      expect(classifyDatabaseError(error)).toBe("conflict");
    });
  });

  describe("errors", () => {
    const cases: readonly (readonly [string, string, () => Promise<unknown>])[] = [
      ["22P02", "permanent", () => db.sql`SELECT ${"seven"}::int8`],
      ["22003", "permanent", () => db.sql`SELECT ${9_999_999_999n}::int4`],
      ["22021", "permanent", () => db.sql`SELECT ${"nul \u0000 byte"}::text`],
      ["23502", "permanent", () => db.sql`INSERT INTO account (id) VALUES (${"x"})`],
      ["23503", "permanent", () => db.sql`INSERT INTO child (id) VALUES (${404})`],
      ["23514", "permanent", () => insert(db, "negative", -1n)],
      ["42P01", "systemic", () => db.sql`SELECT * FROM nowhere`],
      ["42703", "systemic", () => db.sql`SELECT colour FROM account`],
      ["40001", "transient", () => db.script("DO $$BEGIN RAISE SQLSTATE '40001'; END$$")],
      ["55P03", "transient", () => db.script("DO $$BEGIN RAISE SQLSTATE '55P03'; END$$")],
      ["42501", "systemic", () => db.script("DO $$BEGIN RAISE SQLSTATE '42501'; END$$")],
    ];
    test.each(cases)("%s is %s", async (state, kind, call) => {
      const error = await failure(call());
      expect(sqlState(error)).toBe(state);
      expect(classifyDatabaseError(error)).toBe(kind as ReturnType<typeof classifyDatabaseError>);
    });

    test("name the constraint", async () => {
      expect(violatedConstraint(await failure(insert(db, "x", -1n)))).toBe("balance_not_negative");
    });

    test("do not end the connection", async () => {
      await failure(db.sql`SELECT ${"seven"}::int8`);
      expect(await db.sql`SELECT 1 AS one`).toEqual([{ one: 1 }]);
    });
  });
});

describe.each([...adapters])("closing $name", ({ open }) => {
  test(
    "twice is harmless, and afterwards statements are refused",
    async () => {
      const { db, drop } = await open();
      await db.sql`SELECT 1`;
      await db.close();
      await db.close();
      expect(await failure(db.sql`SELECT 1`)).toBeInstanceOf(Error);
      await drop();
    },
    OPEN_MS,
  );

  test(
    "waits for the transaction that is running",
    async () => {
      const { db, drop } = await open();
      const running = db.withTx(async (tx) => {
        await Bun.sleep(50);
        return tx.sql`SELECT 1 AS one`;
      });
      await db.close();
      expect(await running).toEqual([{ one: 1 }]);
      await drop();
    },
    OPEN_MS,
  );
});
