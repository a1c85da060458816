/** What the Database port promises, held against both adapters. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Database, SqlName, type Tx } from "#platform/database/database";
import { sqlState } from "#platform/database/database-error";
import { TransientError } from "#platform/errors";
import { adapters, failure } from "../support/databases.ts";

/** The first test on a machine runs initdb for the embedded database. */
const OPEN_MS = 60_000;
const BEYOND_DOUBLE = 9_007_199_254_740_993n;

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
      CREATE TABLE child (
        id int REFERENCES parent DEFERRABLE INITIALLY IMMEDIATE,
        late int REFERENCES parent DEFERRABLE INITIALLY DEFERRED
      );
    `);
  }, OPEN_MS);
  afterAll(() => drop());

  const insert = async (on: Pick<Database, "sql">, id: string, balance = 0n): Promise<void> => {
    await on.sql`INSERT INTO account (id, balance) VALUES (${id}, ${balance})`;
  };
  const balanceOf = async (id: string): Promise<bigint | undefined> => {
    const [row] = await db.sql<{ balance: bigint }>`SELECT balance FROM account WHERE id = ${id}`;
    return row?.balance;
  };

  describe("values", () => {
    test("come back as they went in", async () => {
      const at = new Date("2026-02-03T04:05:06.789Z");
      const bytes = new Uint8Array([0, 1, 127, 128, 255]);
      const document = { amount: "12", nested: [1, null, { deep: true }] };
      const [row] = await db.sql`
        SELECT ${BEYOND_DOUBLE}::int8 AS int8, ${-7}::int4 AS int4, ${3.5}::float8 AS float8,
          ${at}::timestamptz AS at, ${bytes}::bytea AS bytes, ${JSON.stringify(document)}::jsonb AS document,
          ${"12.3400"}::numeric AS numeric, ${true}::bool AS yes, ${false}::bool AS no,
          ${null}::text AS nothing, ${"it's ünï\\\"'"}::text AS words, ${"2026-02-03"}::date AS day`;
      expect(row).toEqual({
        int8: BEYOND_DOUBLE,
        int4: -7,
        float8: 3.5,
        at,
        bytes,
        document,
        numeric: "12.3400",
        yes: true,
        no: false,
        nothing: null,
        words: "it's ünï\\\"'",
        day: "2026-02-03",
      });
    });

    test("are what the server computed, when none was bound", async () => {
      const [row] = await db.sql`
        SELECT count(*) AS n, 1 AS one, 1.50 AS price, '{"a": 9}'::jsonb AS j, '\\x00ff'::bytea AS b,
          '2026-02-03 04:05:06.7+05:30'::timestamptz AS at, ARRAY[1, NULL]::int4[] AS list`;
      expect(row).toEqual({
        n: 1n,
        one: 1,
        price: "1.50",
        j: { a: 9 },
        b: new Uint8Array([0, 255]),
        at: new Date("2026-02-02T22:35:06.700Z"),
        list: [1, null],
      });
    });

    test("of arrays are unnested element by element", async () => {
      const texts = ["plain", null, "", "NULL", 'quo"te', "back\\slash", "a,b{c}", " ünï "];
      const bigs = [BEYOND_DOUBLE, -1n];
      const dates = [new Date(0), new Date("2026-02-03T04:05:06.789Z")];
      const rows = await db.sql<{ t: string | null; i: bigint }>`
        SELECT t, i FROM unnest(${texts}::text[]) WITH ORDINALITY AS u (t, i) ORDER BY i`;
      expect(rows.map(({ t }) => t)).toEqual(texts);
      expect(
        await db.sql`
          SELECT * FROM unnest(${bigs}::bigint[], ${dates}::timestamptz[], ${[true, false]}::bool[],
            ${[1, -2]}::int[], ${["00ff", ""]}::text[]) AS u (big, at, flag, small, hex)`,
      ).toEqual([
        { big: bigs[0], at: dates[0], flag: true, small: 1, hex: "00ff" },
        { big: bigs[1], at: dates[1], flag: false, small: -2, hex: "" },
      ]);
    });

    test("of arrays come back as arrays, an empty one too", async () => {
      const [row] = await db.sql`
        SELECT ${["a", null, 'b"\\,']}::text[] AS texts, ${[1n, BEYOND_DOUBLE]}::bigint[] AS bigs,
          ${[new Date(5)]}::timestamptz[] AS dates, ${[true, false]}::bool[] AS flags, ${[]}::text[] AS none`;
      expect(row).toEqual({
        texts: ["a", null, 'b"\\,'],
        bigs: [1n, BEYOND_DOUBLE],
        dates: [new Date(5)],
        flags: [true, false],
        none: [],
      });
    });

    test("bind an array of bytes as hexadecimal text", async () => {
      const rows = await db.sql<{ b: Uint8Array }>`
        SELECT decode(h, 'hex') AS b FROM unnest(${["00ff", "7f"]}::text[]) AS h`;
      expect(rows.map(({ b }) => b)).toEqual([new Uint8Array([0, 255]), new Uint8Array([127])]);
    });

    test("that are undefined are refused before anything is sent", async () => {
      const missing = JSON.parse("{}").value;
      const error = await failure((async () => db.sql`SELECT ${missing}::text`)());
      expect(error).toBeInstanceOf(TypeError);
    });

    test("cannot change the statement, names are checked", async () => {
      const words = "'; DROP TABLE account; --";
      expect(await db.sql`SELECT ${words}::text AS w`).toEqual([{ w: words }]);
      const table = new SqlName("public", "account");
      expect(await db.sql`SELECT 1 AS x FROM ${table} WHERE id = ${"nobody"}`).toEqual([]);
      expect(() => new SqlName('account"; DROP TABLE account; --')).toThrow("not an SQL name");
    });

    test("may be used twice in one template with different names", async () => {
      const count = async (name: string): Promise<unknown> =>
        db.sql`SELECT ${name}::text AS name, count(*) AS n FROM ${new SqlName(name)}`;
      expect(await count("parent")).toEqual([{ name: "parent", n: 0n }]);
      expect(await count("child")).toEqual([{ name: "child", n: 0n }]);
    });
  });

  describe("a transaction", () => {
    test("returns what its work returns, and its rows are there", async () => {
      const answer = await db.withTx(async (tx) => {
        await insert(tx, "kept", 5n);
        return "done";
      });
      expect(answer).toBe("done");
      expect(await balanceOf("kept")).toBe(5n);
    });

    test("that throws leaves nothing and hands on the very error", async () => {
      const reason = new Error("changed my mind");
      const error = await failure(
        db.withTx(async (tx) => {
          await insert(tx, "undone");
          throw reason;
        }),
      );
      expect(error).toBe(reason);
      expect(await balanceOf("undone")).toBeUndefined();
    });

    test("with a failed statement does not commit, even when the error was swallowed", async () => {
      const error = await failure(
        db.withTx(async (tx) => {
          await insert(tx, "half");
          await insert(tx, "half").catch(() => undefined);
        }),
      );
      expect(sqlState(error)).toBe("23505");
      expect(await balanceOf("half")).toBeUndefined();
    });

    test("whose last statement fails without being awaited does not report success", async () => {
      const error = await failure(
        db.withTx(async (tx) => {
          await insert(tx, "unawaited");
          insert(tx, "unawaited").catch(() => undefined);
        }),
      );
      expect(error).toBeInstanceOf(Error);
      expect(await balanceOf("unawaited")).toBeUndefined();
    });

    test("that breaks a constraint at COMMIT rejects", async () => {
      const error = await failure(
        db.withTx(async (tx) => {
          await insert(tx, "at-commit");
          await tx.sql`INSERT INTO child (late) VALUES (${404})`;
        }),
      );
      expect(sqlState(error)).toBe("23503");
      expect(await balanceOf("at-commit")).toBeUndefined();
      expect(await db.sql`SELECT 1 AS alive`).toEqual([{ alive: 1 }]);
    });

    test("refuses statements on its handle once it has ended", async () => {
      let kept: Tx | undefined;
      await db.withTx(async (tx) => {
        kept = tx;
      });
      const late = kept;
      if (late === undefined) throw new Error("no handle");
      expect(await failure(insert(late, "late"))).toBeInstanceOf(TransientError);
      expect(await failure(late.savepoint(async () => undefined))).toBeInstanceOf(TransientError);
      expect(await balanceOf("late")).toBeUndefined();
    });

    test("sees one snapshot when asked for repeatable read", async () => {
      const level = (isolation?: "repeatable read"): Promise<unknown> =>
        db.withTx(
          (tx) => tx.sql`SELECT current_setting('transaction_isolation') AS level`,
          isolation === undefined ? undefined : { isolation },
        );
      expect(await level()).toEqual([{ level: "read committed" }]);
      expect(await level("repeatable read")).toEqual([{ level: "repeatable read" }]);
    });

    test("takes its turn: none of fifty increments at once is lost", async () => {
      await insert(db, "counter");
      await Promise.all(
        Array.from({ length: 50 }, () =>
          db.withTx(async (tx) => {
            const [row] = await tx.sql<{ balance: bigint }>`
              SELECT balance FROM account WHERE id = ${"counter"} FOR UPDATE`;
            await Bun.sleep(0);
            await tx.sql`UPDATE account SET balance = ${(row?.balance ?? 0n) + 1n} WHERE id = ${"counter"}`;
          }),
        ),
      );
      expect(await balanceOf("counter")).toBe(50n);
    });

    test("runs statements given at once in the order they were given", async () => {
      await db.withTx(async (tx) => {
        await Promise.all([
          insert(tx, "ordered", 1n),
          tx.sql`UPDATE account SET balance = balance + 10 WHERE id = ${"ordered"}`,
          tx.sql`UPDATE account SET balance = balance * 2 WHERE id = ${"ordered"}`,
        ]);
      });
      expect(await balanceOf("ordered")).toBe(22n);
    });
  });

  test("of statements side by side, the one that failed is the reason, not those it took with it", async () => {
    const told: (string | undefined)[] = [];
    await db.withTx(async (tx) => {
      for (let times = 0; times < 3; times += 1) {
        const work = tx.savepoint(() =>
          Promise.all([
            tx.sql`INSERT INTO account (id, balance) VALUES ('beside', ${-1n}::bigint)`,
            tx.sql`SELECT count(*) FROM account WHERE balance > ${times}::bigint`,
            tx.sql`SELECT 1 AS one`,
          ]),
        );
        told.push(sqlState(await failure(work)));
      }
      await insert(tx, "after-beside");
    });
    expect(told).toEqual(["23514", "23514", "23514"]);
    expect(await balanceOf("after-beside")).toBe(0n);
  });

  describe("a savepoint", () => {
    test("undoes its own part when it throws, and the transaction goes on", async () => {
      await db.withTx(async (tx) => {
        await insert(tx, "before");
        const error = await failure(
          tx.savepoint(async () => {
            await insert(tx, "inside");
            await insert(tx, "before");
          }),
        );
        expect(sqlState(error)).toBe("23505");
        await insert(tx, "after");
      });
      expect(await balanceOf("before")).toBe(0n);
      expect(await balanceOf("inside")).toBeUndefined();
      expect(await balanceOf("after")).toBe(0n);
    });

    test("inside another undoes the inner part only", async () => {
      await db.withTx(async (tx) => {
        const kept = await tx.savepoint(async () => {
          await insert(tx, "outer");
          await failure(
            tx.savepoint(async () => {
              await insert(tx, "inner");
              throw new Error("no");
            }),
          );
          return "outer";
        });
        expect(kept).toBe("outer");
      });
      expect(await balanceOf("outer")).toBe(0n);
      expect(await balanceOf("inner")).toBeUndefined();
    });

    test("in which a failure was swallowed is undone and rejects", async () => {
      await db.withTx(async (tx) => {
        const error = await failure(
          tx.savepoint(async () => {
            await insert(tx, "swallowed");
            await insert(tx, "swallowed").catch(() => undefined);
          }),
        );
        expect(sqlState(error)).toBe("23505");
      });
      expect(await balanceOf("swallowed")).toBeUndefined();
    });

    test("can be used many times in one transaction", async () => {
      await db.withTx(async (tx) => {
        for (let i = 0; i < 200; i += 1) await tx.savepoint(() => insert(tx, `many-${i}`));
      });
      const [row] = await db.sql`SELECT count(*) AS n FROM account WHERE id LIKE 'many-%'`;
      expect(row).toEqual({ n: 200n });
    });
  });

  test("a prepared statement survives a change of its table", async () => {
    const all = (): Promise<unknown[]> => db.sql`SELECT * FROM parent`;
    await db.sql`INSERT INTO parent VALUES (${1})`;
    expect(await all()).toEqual([{ id: 1 }]);
    await db.script("ALTER TABLE parent ADD COLUMN note text");
    expect(await all()).toEqual([{ id: 1, note: null }]);
  });

  test("many statements with changing texts all work", async () => {
    for (let i = 0; i < 600; i += 1) {
      const [row] = await db.sql`SELECT ${i}::int AS ${new SqlName(`n${i}`)}`;
      expect(row).toEqual({ [`n${i}`]: i });
    }
  });

  test("a large value and many rows come through", async () => {
    const large = "x".repeat(3_000_000);
    expect(await db.sql`SELECT length(${large}) AS n, ${large}::text AS t`).toEqual([
      { n: large.length, t: large },
    ]);
    const rows = await db.sql<{
      i: number;
    }>`SELECT i FROM generate_series(1, ${20_000}::int) AS g (i)`;
    expect(rows.at(-1)).toEqual({ i: 20_000 });
  });
});
