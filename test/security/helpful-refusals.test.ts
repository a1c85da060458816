// Bad input B2, B3, B6, B27: every route that takes a body, with bodies it cannot take, answers with
// a sentence that helps: a problem, a code, the field, and what would be taken.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { OpenApiDocument } from "../../src/platform/http/openapi/document.ts";
import { startApp, type TestApp } from "../support/app.ts";
import { referenceOf } from "../support/reference.ts";
import { fundedEscrow } from "../support/sale.ts";

let app: TestApp;
let routes: readonly { readonly method: string; readonly path: string; readonly body: boolean }[];
let token = "";

beforeAll(async () => {
  app = await startApp();
  const { document } = await referenceOf(app.server.application.http.routes);
  const { escrowId } = await fundedEscrow(app);
  routes = writing(document).map((one) => ({ ...one, path: filled(one.path, escrowId) }));
  token = await app.token("root", "admin");
}, 120_000);
afterAll(() => app.stop());

function writing({ paths }: OpenApiDocument) {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([method]) => method === "post" || method === "put")
      .map(([method, { requestBody }]) => {
        return { method: method.toUpperCase(), path, body: requestBody !== undefined };
      }),
  );
}

function filled(path: string, escrowId: string): string {
  const id = path.startsWith("/v1/escrows/") ? escrowId : "alice";
  return path
    .replace("{provider}", "sandbox")
    .replace("{name}", "sandbox")
    .replace(/\{\w+\}/g, id);
}

interface Sent {
  readonly type?: string;
  readonly body?: string;
}

async function refusals(sent: Sent, only: (path: string) => boolean = () => true) {
  const answers = routes
    .filter(({ path, body }) => body && only(path))
    .map(async (route) => {
      const response = await fetch(`${app.url}${route.path}`, {
        method: route.method,
        headers: {
          Authorization: `Bearer ${token}`,
          "Idempotency-Key": crypto.randomUUID(),
          ...(sent.type !== undefined && { "Content-Type": sent.type }),
        },
        ...(sent.body !== undefined && { body: sent.body }),
      });
      const type = response.headers.get("Content-Type");
      const text = await response.text();
      return { ...route, status: response.status, type, text };
    });
  return Promise.all(answers);
}

/** A sentence for people, and no inner text. */
function expectHelp(answers: Awaited<ReturnType<typeof refusals>>, statuses: readonly number[]) {
  for (const { method, path, status, type, text } of answers) {
    const problem = JSON.parse(text) as { code: string; detail: string };
    const said = `${method} ${path}: ${status} ${problem.detail}`;
    expect({ said, fits: statuses.includes(status) }).toEqual({ said, fits: true });
    expect({ said, type }).toEqual({ said, type: "application/problem+json" });
    expect(problem.code).toMatch(/^[A-Z_]+$/);
    expect({ said, sentence: /^["A-Z].{8,}[.]$/.test(problem.detail) }).toEqual({
      said,
      sentence: true,
    });
    expect(problem.detail).not.toMatch(/regex|protobuf|undefined|\bat \//);
  }
  expect(answers.length).toBeGreaterThan(20);
}

const unfit = [400, 403, 404, 409, 422, 501];

test("bad input B2: with a body of a wrong kind", async () => {
  for (const body of ["[]", "5", "{", '"x"', '{"a":1,"a":2}']) {
    expectHelp(await refusals({ type: "application/json", body }), unfit);
  }
}, 120_000);

test("bad input B3: with every field of a wrong type, or unknown", async () => {
  for (const body of ['{"no-such-field":"x"}', '{"amount":-5}', '{"reason":["x"]}']) {
    expectHelp(await refusals({ type: "application/json", body }), unfit);
  }
}, 120_000);

test("bad input B6: with a wrong content type, or far too much", async () => {
  const form = await refusals({ type: "text/plain", body: "reason=x" });
  expectHelp(form, [415, ...unfit]);
  const huge = JSON.stringify({ reason: "x".repeat(70_000) });
  expectHelp(await refusals({ type: "application/json", body: huge }), [413, ...unfit]);
}, 120_000);

test("bad input B27: without a body a route says which field it needs, or does as asked", async () => {
  const answers = (await refusals({})).filter(({ status }) => status >= 400);
  expectHelp(answers, unfit);
}, 120_000);

test("A2: a key asked for wrongly is refused with the fields and the scopes there are", async () => {
  const admin = app.as("root", "admin");
  const made = { name: "n", subject: "shop", scopes: ["read"] };
  expect((await admin.post("/v1/api-keys", { ...made, scopes: ["write"] })).body).toMatchObject({
    code: "INVALID_FIELD",
    field: "scopes[0]",
    detail: 'Must be "read", "*", or a scope such as escrows:release, escrows:* or parties:write.',
  });
  expect((await admin.post("/v1/api-keys", { ...made, scope: "read" })).body).toMatchObject({
    code: "UNKNOWN_FIELD",
    field: "scope",
    detail: "There is no such field among name, subject, roles, scopes, expiresIn.",
  });
  expect((await admin.post("/v1/api-keys", { name: "n", scopes: ["read"] })).body).toMatchObject({
    field: "subject",
    detail: "This field is required.",
  });
  expect((await admin.post("/v1/api-keys", { ...made, roles: ["admin"] })).body).toMatchObject({
    field: "roles[0]",
    detail: expect.stringContaining("service"),
  });
});

test.each([
  ["amount", { amount: { amount: "1005", currency: "KWD" } }],
  ["amount.currency", { amount: { amount: "10000", currency: "XAF" } }],
  ["sellerId", { sellerId: "alice" }],
  ["milestones", { milestones: [{ milestoneId: "m1", title: "a", amount: "1" }] }],
  ["terms", { terms: { autoRelease: "P400D" } }],
])("bad input B3: what the domain refuses names the field %s too", async (field, changes) => {
  const amount = { amount: "10000", currency: "USD" };
  const body = { buyerId: "alice", sellerId: "bob", title: "A used lens", amount, ...changes };
  const { status, body: problem } = await app.as("alice", "buyer").post("/v1/escrows", body);
  expect({ status, field: problem.field }).toEqual({ status: 422, field });
});
