// What is shown of a list that is too long, and that it says so.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Hono } from "hono";
import type { Database } from "#platform/database/database";
import type { HttpEnv } from "#platform/module";
import { openPaymentsDatabase } from "../../../test/support/payments.ts";
import { createWorkItemRoutes, type WaitingEscrows } from "./work-items.ts";

setDefaultTimeout(60_000);

let db: Database;
beforeAll(async () => {
  db = await openPaymentsDatabase();
});
afterAll(() => db.close());

const now = new Date("2026-03-01T12:00:00Z");

interface Listed {
  readonly items: readonly { readonly kind: string }[];
  readonly more: boolean;
  readonly next: string | null;
}

async function listed(waitingEscrows?: WaitingEscrows): Promise<Listed> {
  const app = new Hono<HttpEnv>();
  app.use(async (c, next) => {
    c.set("principal", { issuer: "app", subject: "olga", roles: ["admin"] });
    await next();
  });
  app.route("/", createWorkItemRoutes({ db, clock: { now: () => now }, waitingEscrows }));
  return (await (await app.request("/v1/work-items")).json()) as Listed;
}

const disputed: WaitingEscrows = async () => [
  {
    ...{ kind: "DISPUTED", escrowId: "esc_1", provider: "sandbox", code: "" },
    ...{ amount: 1n, currency: "USD", since: now, dueAt: now },
  },
];

test("what is cut off the list is said to be there, and the most urgent is not what is cut", async () => {
  const unreadable = (from: number, to: number) => db.sql`
    INSERT INTO payments.provider_object (provider, object_id, kind, problem)
    SELECT 'sandbox', 'obj_' || n, 'unmatched', 'UNREADABLE'
    FROM generate_series(${from}::int, ${to}::int) n`;
  await unreadable(1, 500);
  const whole = await listed();
  expect([whole.items.length, whole.more, whole.next]).toEqual([500, false, null]);
  const [first, ...others] = (await listed(disputed)).items;
  expect([first?.kind, others.length]).toEqual(["DISPUTED", 499]);
  expect((await listed(disputed)).more).toBe(true);
  await unreadable(501, 501);
  expect((await listed()).more).toBe(true);
});
