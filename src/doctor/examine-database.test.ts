/** What the doctor advises when the schema cannot be looked at. */
import { expect, test } from "bun:test";
import { SchemaTooNew } from "#platform/database/migrate";
import { TransientError } from "#platform/errors";
import { examineMigrations } from "./examine-database.ts";

const failing = (error: Error) => ({ pending: () => Promise.reject(error) });

test("a schema of a newer version asks for the version that made it", async () => {
  const found = await examineMigrations(failing(new SchemaTooNew("newer than this program")));
  expect(found).toMatchObject({ verdict: "fail", remedy: expect.stringContaining("the version") });
  expect(found.unreachable).toBeUndefined();
});

test("a connection lost meanwhile is no matter of versions", async () => {
  const found = await examineMigrations(failing(new TransientError("connection closed")));
  expect(found.unreachable).toBe(true);
  expect(found.remedy).toBe("start it, or mend DATABASE_URL");
});
