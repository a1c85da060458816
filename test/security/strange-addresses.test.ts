// Addresses that hold what no database takes are answered, and none of them as a failure of ours.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

const cursor = (text: string) => Buffer.from(text).toString("base64url");

test.each([
  ["/v1/escrows/%00", 404],
  ["/v1/escrows/%00/disputes", 404],
  ["/v1/escrows/%1F/evidence-pack", 404],
  ["/v1/commands/%00", 404],
  ["/v1/escrows?q=%00", 400],
  ["/v1/escrows?q=x?%00", 400],
  ["/v1/dead-letters?key=a?b?%00", 400],
  ["/v1/escrows?createdAfter=0000-01-01T00:00:00Z", 422],
  [`/v1/statements?cursor=${cursor("2020-01-01T00:00:00.000Z|1|1|999999999999999999")}`, 400],
  [`/v1/statements?cursor=${cursor("+275760-09-13T00:00:00.000Z|1|1|1")}`, 400],
  [`/v1/statements?cursor=${cursor("0000-01-01T00:00:00.000Z|1|1|1")}`, 400],
  [`/v1/statements?cursor=${cursor("2020-01-01T00:00:00.000Z|1|1|1")}`, 200],
  ["/v1/debts?party=%7f", 400],
  ["/v1/statements?from=-271821-04-20T00:00:00Z", 422],
  ["/v1/statements?until=%2B275000-01-01T00:00:00Z", 422],
  ["/v1/ledger/trial-balance?as_of=%2B275000-01-01T00:00:00Z", 422],
  ["/v1/ledger/trial-balance?as_of=2030-01-31T00:00:00Z", 200],
])("%s is %d", async (path, status) => {
  expect((await app.as("root", "admin").get(path)).status).toBe(status);
});
