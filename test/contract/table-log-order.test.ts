/**
 * Why the log in tables counts offsets in a locked row: with offsets from a sequence a reader passes
 * the offset of a transaction that commits later, and never sees it. Both are shown on a real server,
 * several appenders beside one reader.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createSystemClock } from "#platform/clock-system";
import { type Database, SqlName } from "#platform/database/database";
import { openPostgres } from "#platform/database/postgres";
import { createTableLog } from "#platform/messaging/table/log";
import { silentLogger } from "#platform/telemetry/logger";
import { createLogSchema, record, topic, unique } from "../support/logs.ts";

const { DATABASE_URL } = process.env;
const appenders = 4;
const runMs = 3_000;

if (DATABASE_URL !== undefined) {
  const schema = unique("order");
  let db: Database;

  beforeAll(async () => {
    db = openPostgres({ url: DATABASE_URL });
    await createLogSchema(db, schema);
  });
  afterAll(async () => {
    await db.script(`DROP SCHEMA ${new SqlName(schema).text} CASCADE`);
    await db.close();
  });

  test("offsets from a sequence lose messages", async () => {
    const naive = new SqlName(schema, "naive");
    await db.script(`CREATE TABLE ${naive.text} (off bigserial PRIMARY KEY, text text NOT NULL)`);
    const seen = new Set<string>();
    let position = 0n;
    const { written } = await race({
      append: (texts, holdMs) =>
        db.withTx(async (tx) => {
          await tx.sql`INSERT INTO ${naive} (text) SELECT unnest(${texts}::text[])`;
          await Bun.sleep(holdMs);
        }),
      read: async () => {
        const rows = await db.sql<{ off: bigint; text: string }>`
          SELECT off, text FROM ${naive} WHERE off > ${position} ORDER BY off LIMIT 1000`;
        for (const { off, text } of rows) {
          seen.add(text);
          position = off;
        }
        return rows.length;
      },
    });
    const lost = written.filter((text) => !seen.has(text));
    expect(written.length).toBeGreaterThan(100);
    expect(lost.length).toBeGreaterThan(0);
  });

  test("offsets from a locked counter lose none, and keep each appender's order", async () => {
    const orders = topic({ partitions: 1 });
    const log = createTableLog({
      db,
      schema,
      clock: createSystemClock(),
      memberId: "reader",
      logger: silentLogger,
    });
    await log.ensureTopics([orders]);
    const producers = Array.from({ length: appenders }, () => log.createProducer());
    const seen: string[] = [];
    const { written } = await race({
      append: async (texts, holdMs, appender) => {
        await Bun.sleep(holdMs);
        await producers[appender]?.send(texts.map((text) => record(orders, "k", text)));
      },
      read: async () => {
        const records = await log.read(orders.name, 0, BigInt(seen.length), 1_000);
        for (const { offset, headers } of records) {
          expect(offset).toBe(BigInt(seen.length));
          seen.push(headers["message-id"] ?? "");
        }
        return records.length;
      },
    });
    expect(written.length).toBeGreaterThan(100);
    expect(seen.toSorted()).toEqual(written.toSorted());
    for (let appender = 0; appender < appenders; appender += 1) {
      const mine = seen.filter((text) => text.startsWith(`${appender}-`));
      expect(mine).toEqual(written.filter((text) => text.startsWith(`${appender}-`)));
    }
    await log.close();
  });
}

interface Race {
  append(texts: readonly string[], holdMs: number, appender: number): Promise<void>;
  /** Reads on from where it stood; resolves to how many it read. */
  read(): Promise<number>;
}

/** Appends from several sides while reading, then reads until nothing is left. */
async function race({ append, read }: Race): Promise<{ written: string[] }> {
  const written: string[] = [];
  const until = performance.now() + runMs;
  const write = async (appender: number): Promise<void> => {
    for (let round = 0; performance.now() < until; round += 1) {
      const texts = Array.from({ length: 1 + (round % 5) }, (_, n) => `${appender}-${round}-${n}`);
      await append(texts, (round * 7 + appender) % 4, appender);
      written.push(...texts);
    }
  };
  const watch = async (): Promise<void> => {
    while (performance.now() < until) await read();
  };
  await Promise.all([...Array.from({ length: appenders }, (_, n) => write(n)), watch()]);
  while ((await read()) > 0);
  return { written };
}
