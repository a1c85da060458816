// O5: what a route says of itself is what is enforced, and what stands in the reference.
import { expect, test } from "bun:test";
import { Hono } from "hono";
import { z } from "zod";
import type { HttpEnv } from "../../module.ts";
import { problemOf, problemResponse } from "../problem.ts";
import { openApiDocument } from "./document.ts";
import { documented, type RouteDoc } from "./documented.ts";
import { type DeclaredHeader, headerOf } from "./headers.ts";

const answers = { 200: () => z.object({}) };

/** POST and GET /here, whose handler reads this header, for a caller with these roles. */
function appWith(doc: Partial<RouteDoc>, roles: string[] = [], read?: DeclaredHeader) {
  const app = new Hono<HttpEnv>();
  app.onError((error) => problemResponse(problemOf(error), "c"));
  app.use(async (c, next) => {
    c.set("principal", { issuer: "app", subject: "olga", roles });
    await next();
  });
  return app.on(["GET", "POST"], "/here", documented({ summary: "x", answers, ...doc }), (c) =>
    c.json({ read: read && (headerOf(c, read) ?? null) }),
  );
}

async function asked(app: Hono<HttpEnv>, init: RequestInit = {}) {
  const response = await app.request("/here", { method: "POST", ...init });
  // biome-ignore lint/suspicious/noExplicitAny: what a client sees is untyped JSON
  return { status: response.status, body: (await response.json()) as any };
}

test("who has none of the declared roles is turned away before the handler", async () => {
  const doc = { roles: ["admin", "auditor"] } as const;
  expect((await asked(appWith(doc, ["auditor"]))).status).toBe(200);
  const { status, body } = await asked(appWith(doc, ["service"]));
  expect([status, body.code, body.detail]).toEqual([
    403,
    "ROLE_REQUIRED",
    "Needs the role admin or auditor.",
  ]);
});

test("whom a route is for is told in words and judged by its handler", async () => {
  const app = appWith({ audience: "operators of the deal" });
  expect((await asked(app)).status).toBe(200);
  const { paths } = openApiDocument({ routes: app.routes, comments: () => "", version: "0" });
  expect(paths["/here"]?.post?.description).toBe("For operators of the deal.");
});

test("a header that is declared is read, and one that is not is a fault of the route's", async () => {
  const init = { headers: { Prefer: "wait=5", "If-Match": '"4"' } };
  const declares = appWith({ headers: { "If-Match": "optional" } }, [], "If-Match");
  expect((await asked(declares, init)).body.read).toBe('"4"');
  expect((await asked(declares)).body.read).toBeNull();
  expect((await asked(appWith({ headers: {} }, [], "Prefer"))).status).toBe(500);
});

test("If-Match is refused where nothing would be held to a version, and reading needs none", async () => {
  const headers = { "If-Match": '"4"' };
  const { status, body } = await asked(appWith({}), { headers });
  expect([status, body.code, body.field]).toEqual([422, "IF_MATCH_UNSUPPORTED", "If-Match"]);
  expect((await asked(appWith({}), { method: "GET", headers })).status).toBe(200);
});

test("the reference names each header a handler may read, and On-Behalf-Of with every token", async () => {
  const headers = { "Idempotency-Key": "required", "If-Match": "optional" } as const;
  const parametersOf = (doc: Partial<RouteDoc>) => {
    const { routes } = appWith(doc);
    const { paths } = openApiDocument({ routes, comments: () => "", version: "0" });
    return paths["/here"]?.post?.parameters.map(({ name, required }) => [name, required]);
  };
  expect(parametersOf({ headers })).toEqual([
    ["Idempotency-Key", true],
    ["If-Match", false],
    ["On-Behalf-Of", false],
  ]);
  expect(parametersOf({ command: true })).toEqual([["On-Behalf-Of", false]]);
  expect(parametersOf({ open: true })).toEqual([]);
});
