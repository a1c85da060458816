/**
 * The server ends a transaction's connection: between two statements, during one, while the event
 * loop is busy. The client as published commits the second half alone or waits for ever; through
 * the Database port nothing commits, nothing hangs and the process lives.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openPostgres } from "#platform/database/postgres";
import { unpatchedPostgres } from "../support/bare-postgres.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import type { KilledReport } from "./postgres-killed.program.ts";

const TIMEOUT_MS = 30_000;
let fresh: FreshPostgres;

beforeAll(async () => {
  fresh = await freshPostgres();
  const db = openPostgres({ url: fresh.url, max: 1 });
  await db.script("CREATE TABLE killed (name text, n int)");
  await db.close();
}, TIMEOUT_MS);
afterAll(() => fresh.drop(), TIMEOUT_MS);

async function kill(...args: string[]): Promise<KilledReport & { exitCode: number }> {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "postgres-killed.program.ts"), ...args],
    { env: { ...process.env, VICTIM_URL: fresh.url }, stdout: "pipe", stderr: "pipe" },
  );
  const [out, errors, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (out === "") throw new Error(`no report, exit code ${exitCode}: ${errors}`);
  return { ...JSON.parse(out), exitCode };
}

describe("the client as published", () => {
  let path: string;
  beforeAll(async () => {
    path = await unpatchedPostgres();
  }, TIMEOUT_MS);

  test(
    "killed between two statements: commits the second one alone",
    async () => {
      const report = await kill("between", "1", path);
      expect(report.transaction).toStartWith("rejected");
      expect(report.rows).toEqual([2]);
    },
    TIMEOUT_MS,
  );

  test(
    "killed during a statement: what waits hangs for ever",
    async () => {
      const report = await kill("during", "1", path);
      expect(report.others).toEqual(["hangs"]);
      expect(report.after).toBe("hangs");
      expect(report.uncaught).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});

describe.each(["between", "during", "busy"])("through the port, killed in shape %s", (shape) => {
  test.each(["1", "2"])(
    "with %s connection(s): rejects, commits nothing, serves on",
    async (max) => {
      const report = await kill(shape, max);
      expect(report.transaction).toBe("rejected: TransientError");
      expect(report.rows).toEqual([]);
      expect(report.others).not.toContain("hangs");
      expect(report.after).toBe("resolved");
      expect(report.exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );
});
