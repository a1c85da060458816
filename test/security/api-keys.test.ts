// A2: keys of programs. What a key may do is what it was given, and what is kept of it opens nothing.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Hono } from "hono";
import type { Database } from "#platform/database/database";
import { createApiKeyRoutes } from "#platform/http/api-key-routes";
import { createApiKeys } from "#platform/http/api-keys";
import { scopeOf } from "#platform/http/scopes";
import type { HttpEnv } from "#platform/module";
import type { Stores } from "../../src/stores.ts";
import { type Answer, memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { fundedEscrow } from "../support/sale.ts";

let stores: Stores;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(() => app.stop());

interface Made {
  readonly id: string;
  readonly key: string;
  readonly body: Answer["body"];
}

async function made(asked: object = {}): Promise<Made> {
  const body = { name: "shop", subject: "shop", scopes: ["*"], ...asked };
  const answer = await app.as("root", "admin").post("/v1/api-keys", body);
  expect(answer.status).toBe(201);
  return { id: answer.body.id, key: answer.body.key, body: answer.body };
}

async function call(key: string, method: string, path: string, body?: object, headers = {}) {
  const response = await fetch(`${app.url}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${key}`,
      "Content-Type": "application/json",
      "Idempotency-Key": crypto.randomUUID(),
      Prefer: "wait=5",
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
}

const deal = {
  buyerId: "alice",
  sellerId: "bob",
  title: "x",
  amount: { amount: "10000", currency: "USD" },
};

test("A2: a key is a service that acts for its members, within its scopes", async () => {
  const { key, body } = await made({ scopes: ["read", "escrows:create", "escrows:cancel"] });
  expect(body).toMatchObject({ subject: "shop", roles: ["service"], createdBy: "root" });
  expect(key).toStartWith(`${body.prefix}_`);
  expect(body.prefix).toStartWith("esk_test_");
  const forAlice = { "On-Behalf-Of": "alice" };
  const created = await call(key, "POST", "/v1/escrows", deal, forAlice);
  expect(created.status).toBe(200);
  const path = `/v1/escrows/${created.body.escrowId}`;
  expect((await call(key, "GET", path)).status).toBe(200);
  const refused = await call(key, "POST", `${path}/release`, {}, forAlice);
  expect(refused).toMatchObject({
    status: 403,
    body: { code: "SCOPE_REQUIRED", scope: "escrows:release" },
  });
  const dry = await call(key, "POST", `${path}/release?dryRun=true`, {}, forAlice);
  expect(dry.status).toBe(403);
  expect((await call(key, "POST", `${path}/cancel`, {}, forAlice)).status).toBe(200);
  const elsewhere = await app.as("carol").post("/v1/escrows", { ...deal, buyerId: "carol" });
  expect((await call(key, "GET", `/v1/escrows/${elsewhere.body.escrowId}`)).status).toBe(404);
});

test("A2: without a scope every route is closed to a key, whatever its roles", async () => {
  const { key } = await made({ scopes: ["escrows:nothing"], roles: ["auditor", "service"] });
  const routes = app.server.application.http.routes.filter(
    ({ method, path }) => method !== "ALL" && /^\/(v1|sandbox)\//.test(path),
  );
  expect(routes.length).toBeGreaterThan(30);
  for (const { method, path } of routes) {
    if (path.startsWith("/v1/webhooks/")) continue;
    const { status, body } = await call(key, method, path.replaceAll(/:\w+/g, "x"));
    expect([method, path, status, body.code]).toEqual([method, path, 403, "SCOPE_REQUIRED"]);
  }
});

test.each([
  ["GET", "/v1/escrows/esc_1/timeline", "read"],
  ["POST", "/v1/escrows", "escrows:create"],
  ["POST", "/v1/escrows/esc_1/withdraw-dispute", "escrows:withdraw-dispute"],
  ["POST", "/v1/escrows/esc_1/settlement-offers/o1/accept", "escrows:settlement-offers"],
  ["PUT", "/v1/parties/alice", "parties:write"],
  ["POST", "/sandbox/payments/p/pay", "sandbox:write"],
])("A2: %s %s needs the scope %s", (method, path, scope) => {
  expect(scopeOf(method, path)).toBe(scope);
});

test("A2: a family's scope opens the family alone", async () => {
  const { key } = await made({ scopes: ["escrows:*"] });
  const forAlice = { "On-Behalf-Of": "alice" };
  expect((await call(key, "POST", "/v1/escrows", deal, forAlice)).status).toBe(200);
  expect((await call(key, "GET", "/v1/escrows")).status).toBe(403);
  expect((await call(key, "PUT", "/v1/parties/alice", {}, forAlice)).status).toBe(403);
});

test("A2: a revoked, an expired, a changed and a live key are nobody's", async () => {
  const { id, key } = await made();
  expect((await call(key, "GET", "/v1/escrows")).status).toBe(200);
  const last = key.endsWith("A") ? "B" : "A";
  const wrong = [
    `${key.slice(0, -1)}${last}`,
    key.replace("esk_test_", "esk_live_"),
    key.replace(/_[0-9a-f]{16}_/, `_${"0".repeat(16)}_`),
    `${key}A`,
    "esk_test_",
  ];
  for (const changed of wrong) {
    const { status, body } = await call(changed, "GET", "/v1/escrows");
    expect([changed.length, status, body.code]).toEqual([changed.length, 401, "INVALID_TOKEN"]);
  }
  const revoked = await fetch(`${app.url}/v1/api-keys/${id}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${await tokenOfRoot()}` },
  });
  expect(revoked.status).toBe(200);
  expect((await call(key, "GET", "/v1/escrows")).status).toBe(401);

  const short = await made();
  await stores.databases.platform.sql`
    UPDATE access.api_key SET expires_at = clock_timestamp() WHERE id = ${short.id}`;
  expect((await call(short.key, "GET", "/v1/escrows")).status).toBe(401);
});

test("A2: the list shows when a key was last used, and nothing kept of it opens anything", async () => {
  const { id, key, body } = await made();
  await call(key, "GET", "/v1/escrows");
  const { items } = (await app.as("root", "admin").get("/v1/api-keys")).body;
  const shown = items.find((item: { id: string }) => item.id === id);
  expect(Date.parse(shown.lastUsedAt)).toBeGreaterThan(Date.parse(shown.createdAt) - 1);
  // An underscore may stand in the secret itself.
  const secret = key.slice(`${body.prefix}_`.length);
  expect(secret.length).toBeGreaterThan(40);
  const kept = await stores.databases.platform.sql<{ row: string }>`
    SELECT k::text AS row FROM access.api_key k`;
  expect(JSON.stringify([items, kept])).not.toContain(secret.slice(0, 20));
});

test("A2: only an admin's token manages keys; a key makes no keys", async () => {
  const body = { name: "x", subject: "x", scopes: ["*"] };
  expect((await app.as("alice", "buyer").post("/v1/api-keys", body)).status).toBe(403);
  expect((await app.as("alice", "auditor").get("/v1/api-keys")).status).toBe(403);
  const refused = await call(await keyWith(["admin"]), "POST", "/v1/api-keys", body);
  expect([refused.status, refused.body.code]).toEqual([403, "SCOPE_REQUIRED"]);
  for (const wrong of [
    { ...body, roles: ["root"] },
    { ...body, roles: ["admin"] },
    { ...body, roles: ["buyer"] },
    { ...body, scopes: [] },
    { ...body, scopes: ["everything"] },
    { ...body, scopes: ["escrow:read"] },
    { ...body, expiresIn: "P3000D" },
    { ...body, hash: "x" },
  ]) {
    expect((await app.as("root", "admin").post("/v1/api-keys", wrong)).status).toBe(422);
  }
});

test("A2, O6: a system where money is real takes live keys alone", async () => {
  const { key } = await made();
  const clock = { wall: () => new Date(), monotonicMs: () => performance.now() };
  const db = stores.databases.platform;
  const live = createApiKeys({ db, clock, issuer: "app", live: true });
  const asked = { name: "x", subject: "x", roles: ["service"], scopes: ["*"] };
  const { secret } = await live.create({ ...asked, createdBy: "root", lifetimeMs: 60_000 });
  expect(secret).toStartWith("esk_live_");
  expect(await live.verify(secret)).toMatchObject({ subject: "x", scopes: ["*"] });
  // Renamed, a test key is no live key either.
  expect(await live.verify(key)).toBeUndefined();
  expect(await live.verify(key.replace("_test_", "_live_"))).toBeUndefined();
  expect((await call(secret, "GET", "/v1/escrows")).status).toBe(401);
});

test("A2: a key that is revoked while it is looked up is not kept", async () => {
  const db = stores.databases.platform;
  const answered = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const slow: Database = {
    ...db,
    sql: async (text, ...values) => {
      const rows = await db.sql(text, ...values);
      if (text.join("?").includes("SET last_used_at")) {
        reached.resolve();
        await answered.promise;
      }
      // biome-ignore lint/suspicious/noExplicitAny: rows of whatever was asked
      return rows as any;
    },
  };
  const clock = { wall: () => new Date(), monotonicMs: () => performance.now() };
  const keys = createApiKeys({ db: slow, clock, issuer: "app", live: false });
  const asked = { name: "x", subject: "x", roles: ["service"], scopes: ["*"] };
  const { key, secret } = await keys.create({ ...asked, createdBy: "root", lifetimeMs: 60_000 });
  const first = keys.verify(secret);
  await reached.promise;
  await keys.revoke(key.id);
  answered.resolve();
  await first;
  expect(await keys.verify(secret)).toBeUndefined();
});

test("A2, C4: a key is no second operator, whatever its roles", async () => {
  const sale = await fundedEscrow(app);
  const path = `/v1/escrows/${sale.escrowId}`;
  const asked = await app.as("mallory", "admin").post(`${path}/release`);
  expect(asked.body.status).toBe("awaiting_approval");
  const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
  const refused = await call(await keyWith(["admin"]), "POST", approve, {});
  expect([refused.status, refused.body.code]).toEqual([403, "ROLE_REQUIRED"]);
  expect((await sale.alice.get(path)).body.state).toBe("FUNDS_HELD");
});

test("A2: where the data is on servers no admin makes keys over HTTP", async () => {
  const clock = { wall: () => new Date(), monotonicMs: () => performance.now() };
  const db = stores.databases.platform;
  const keys = createApiKeys({ db, clock, issuer: "app", live: false });
  const routes = new Hono<HttpEnv>().onError(
    (error) => new Response(String(error), { status: 403 }),
  );
  routes.use(async (c, next) => {
    c.set("principal", { issuer: "app", subject: "root", roles: ["admin"] });
    await next();
  });
  routes.route("/", createApiKeyRoutes({ keys, embedded: false }));
  const body = JSON.stringify({ name: "x", subject: "x", scopes: ["*"] });
  const answer = await routes.request("/v1/api-keys", { method: "POST", body });
  expect([answer.status, await answer.text()]).toEqual([
    403,
    expect.stringContaining("beside the data"),
  ]);
});

/** One that cannot be made over HTTP. */
async function keyWith(roles: string[]): Promise<string> {
  const clock = { wall: () => new Date(), monotonicMs: () => performance.now() };
  const keys = createApiKeys({ db: stores.databases.platform, clock, issuer: "app", live: false });
  const asked = { name: "x", subject: "otto", roles, scopes: ["*"], createdBy: "root" };
  return (await keys.create({ ...asked, lifetimeMs: 60_000 })).secret;
}

async function tokenOfRoot(): Promise<string> {
  const { mintToken } = await import("#platform/http/token");
  const secret = new TextEncoder().encode("a secret for tests, thirty-two bytes and more");
  return mintToken({
    secret,
    sub: "root",
    roles: ["admin"],
    issuer: "app",
    audience: "app",
    ttl: 60,
  });
}
