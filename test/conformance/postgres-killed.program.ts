/**
 * Kills the backend of a running transaction in one of three ways and tells what became of it, as
 * one line of JSON. A process of its own, because the client as published dies of it.
 *
 *   bun postgres-killed.program.ts SHAPE MAX [path of the bare client]
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { openPostgres } from "#platform/database/postgres";
import { onServer, serverUrl } from "../support/databases.ts";

/** The part of a transaction's handle that both clients share. */
type Run = (text: TemplateStringsArray, ...values: string[]) => Promise<unknown>;

interface Client {
  run: Run;
  transaction(work: (run: Run) => Promise<void>): Promise<unknown>;
}

export interface KilledReport {
  transaction: string;
  /** How the six queries ended that waited at the same time, without repeats. */
  others: string[];
  /** A query a moment later. */
  after: string;
  /** What the transaction left behind: [] or [1, 2]; anything else is half of it. */
  rows: number[];
  uncaught: number;
}

/** Longer than any deadline of ours. */
const HANGS_MS = 6500;
const [shape = "", max = "1", bare] = process.argv.slice(2);
const name = `killed-${shape}-${process.pid}`;
let uncaught = 0;
if (bare !== undefined) {
  process.on("uncaughtException", () => {
    uncaught += 1;
  });
}

async function open(): Promise<Client> {
  const url = process.env.VICTIM_URL ?? serverUrl();
  if (bare === undefined) {
    const db = openPostgres({ url, max: Number(max), applicationName: name });
    return { run: db.sql, transaction: (work) => db.withTx((tx) => work(tx.sql)) };
  }
  const { default: postgres } = await import(bare);
  const connection = { application_name: name };
  const sql = postgres(url, { max: Number(max), onnotice: () => undefined, connection });
  return { run: sql, transaction: (work) => sql.begin(work) };
}

const ending = (promise: Promise<unknown>): Promise<string> =>
  Promise.race([
    promise.then(
      () => "resolved",
      (error: unknown) => `rejected: ${error instanceof Error ? error.name : String(error)}`,
    ),
    Bun.sleep(HANGS_MS).then(() => "hangs"),
  ]);

await onServer(async (server) => {
  // Who kills is not inside the transaction: another call there would be refused.
  const outside = AsyncLocalStorage.snapshot();
  const kill = (): Promise<unknown> =>
    outside(
      () =>
        server.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ${name}`,
    );

  const work = async (run: Run): Promise<void> => {
    await run`INSERT INTO killed VALUES (${name}, 1)`;
    if (shape === "between") {
      await kill();
      await Bun.sleep(100);
    } else if (shape === "during") {
      const statement = Promise.resolve(run`SELECT pg_sleep(1)`).catch(() => undefined);
      await Bun.sleep(50);
      await kill();
      await statement;
    } else {
      const killed = kill();
      await Bun.sleep(0);
      Bun.sleepSync(300);
      await killed;
    }
    await run`INSERT INTO killed VALUES (${name}, 2)`;
  };

  const client = await open();
  await client.run`SELECT 1`;
  const waiting = Array.from({ length: 6 }, async () => {
    await Bun.sleep(20);
    return client.run`SELECT 1`;
  });
  const transaction = ending(client.transaction(work));
  const others = await Promise.all(waiting.map((query) => ending(query)));
  const report: KilledReport = {
    transaction: await transaction,
    others: [...new Set(others)],
    after: await ending(Bun.sleep(300).then(() => client.run`SELECT 1`)),
    rows: [],
    uncaught,
  };
  const left = await onVictim(
    (db) => db.sql<{ n: number }>`SELECT n FROM killed WHERE name = ${name} ORDER BY n`,
  );
  report.rows = left.map(({ n }) => n);
  process.stdout.write(`${JSON.stringify(report)}\n`);
});
process.exit(0);

async function onVictim<T>(work: (db: ReturnType<typeof openPostgres>) => Promise<T>): Promise<T> {
  const db = openPostgres({ url: process.env.VICTIM_URL ?? serverUrl(), max: 1 });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}
