// O5: the reference is made of the routes, says all of them, and what it says is what they answer.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { CreateApiKeyRequestSchema } from "#gen/platform/v1/http_pb";
import { toMessage } from "#platform/http/body";
import { scopeOf } from "#platform/http/scopes";
import { root } from "../../scripts/process.ts";
import { undocumented } from "../../src/platform/http/openapi/document.ts";
import { startApp, type TestApp } from "../support/app.ts";
import { referenceOf } from "../support/reference.ts";
import { fundedEscrow } from "../support/sale.ts";

const money = { amount: "10000", currency: "USD" };
let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

// biome-ignore lint/suspicious/noExplicitAny: what a client sees is untyped JSON
const reference = async (): Promise<any> => (await asked("/openapi.json")).json();
const asked = async (path: string) => fetch(`${app.url}${path}`);

test("O5: every route that is mounted is in the document, and no other", async () => {
  const { routes } = app.server.application.http;
  expect(undocumented(routes)).toEqual([]);
  const document = await reference();
  const told = Object.entries(document.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const mounted = routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  expect(told.toSorted()).toEqual([...new Set(mounted)].toSorted());
});

test("A2: every scope a route asks for can be given to a key", () => {
  const { routes } = app.server.application.http;
  // Keys are managed by people; webhooks are signed.
  const others = /^\/v1\/(api-keys|webhooks)/;
  const scopes = routes
    .filter(({ method, path }) => method !== "ALL" && /^\/(v1|sandbox)\//.test(path))
    .flatMap(({ method, path }) => (others.test(path) ? [] : [scopeOf(method, path)]));
  expect(scopes).toContain("parties:write");
  const asked = { name: "shop", subject: "shop", roles: ["service"] };
  for (const scope of new Set(scopes)) {
    expect(toMessage(CreateApiKeyRequestSchema, { ...asked, scopes: [scope] }).scopes).toEqual([
      scope,
    ]);
  }
});

test("O5: it is an OpenAPI 3.1 document, whose operations have names of their own", async () => {
  const document = await reference();
  expect(document.openapi).toStartWith("3.1");
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  const ids = Object.values(
    document.paths as Record<string, Record<string, { operationId: string }>>,
  )
    .flatMap((operations) => Object.values(operations))
    .map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
});

test("O5: what the proto says of a field, and what it demands, stands in the reference", async () => {
  const { components } = await reference();
  const body = components.schemas["escrow.v1.CreateEscrowRequest"];
  expect(body.required).toEqual(["buyerId", "sellerId", "title", "amount"]);
  expect(body.properties.statementDescriptorSuffix).toMatchObject({
    maxLength: 22,
    description: "What the buyer reads on his card's statement.",
  });
  expect(components.schemas["escrow.v1.MoneyInput"].properties.amount.pattern).toContain("[1-9]");
});

test("O5: of each command the reference says for whom it is, and of each term what it is when absent", async () => {
  const { components, paths } = await reference();
  const commands = Object.entries(paths as Record<string, { post?: { description?: string } }>)
    .filter(([path]) => path.startsWith("/v1/escrows/{id}/"))
    .flatMap(([path, { post }]) => (post === undefined ? [] : [[path, post.description]]));
  expect(commands.length).toBeGreaterThan(12);
  expect(commands.filter(([, description]) => description === undefined)).toEqual([]);
  expect(Object.fromEntries(commands)).toMatchObject({
    "/v1/escrows/{id}/deliver": expect.stringContaining("its seller"),
    "/v1/escrows/{id}/resolve": "For role admin.",
  });

  const alice = app.as("alice", "buyer");
  const body = { buyerId: "alice", sellerId: "bob", title: "x", amount: money };
  const { body: made } = await alice.post("/v1/escrows", body);
  const { body: view } = await alice.get(`/v1/escrows/${made.escrowId}`);
  const told = components.schemas["escrow.v1.TermsInput"].properties as Record<
    string,
    { description: string }
  >;
  const absent = Object.entries(told).flatMap(([name, { description }]) => {
    const [, value] = /; default ([A-Z][A-Z0-9]+)\./.exec(description) ?? [];
    return value === undefined ? [] : [[name, value]];
  });
  expect(absent.length).toBe(8);
  expect(view.terms).toMatchObject(Object.fromEntries(absent));
});

test("O5: an answer with a field the reference lacks, or without one it names, is found", async () => {
  const { alice, escrowId } = await fundedEscrow(app);
  const { misfit } = await referenceOf(app.server.application.http.routes);
  const path = `/v1/escrows/${escrowId}`;
  const { body, status } = await alice.get(path);
  const answered = { method: "GET", path, status, type: "application/json", body };
  expect(misfit(answered)).toBeUndefined();
  expect(misfit({ ...answered, body: { ...body, more: 1 } })).toContain("additional properties");
  expect(misfit({ ...answered, body: { ...body, state: undefined } })).toContain("state");
  expect(misfit({ ...answered, body: { ...body, version: 4 } })).toContain("version");
  expect(misfit({ ...answered, status: 299 })).toContain("status");
});

test("O5, bad input B21: /docs is one page that loads nothing and runs nothing", async () => {
  const response = await asked("/docs");
  const page = await response.text();
  expect(response.headers.get("Content-Type")).toStartWith("text/html");
  const policy = response.headers.get("Content-Security-Policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? "";
  const hash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
  expect(policy).toContain(`'sha256-${hash}'`);
  expect(page.match(/<script|<link|<img|style=|src=|javascript:/)).toBeNull();
  expect(page.includes("/v1/escrows/{id}/release")).toBe(true);
  const links = [...page.matchAll(/href="([^"]+)"/g)].map(([, to = ""]) => to);
  const lost = links.filter((to) => !page.includes(`id="${to.slice(1)}"`));
  expect([...new Set(lost)]).toEqual(["/openapi.json"]);
});

test("O5: a parameter nobody declared is refused by name", async () => {
  const { status, body } = await app.as("root", "admin").get("/v1/providers?nmae=x");
  expect({ status, code: body.code, field: body.field }).toEqual({
    status: 422,
    code: "UNKNOWN_PARAMETER",
    field: "nmae",
  });
});

test("O5: a problem's code is in the reference, and what a dry run answers", async () => {
  const { components, paths } = await reference();
  const { Problem, CommandDoneOrTried } = components.schemas;
  const told = Problem.properties.code.description;
  const files = new Bun.Glob("src/**/*.ts").scanSync({ cwd: root });
  const sources = await Promise.all([...files].map((file) => Bun.file(join(root, file)).text()));
  const used = sources.flatMap((text) => [...text.matchAll(/new HttpProblem\(\s*"([A-Z_]+)"/g)]);
  const codes = new Set(used.map(([, code = ""]) => code));
  expect(codes.size).toBeGreaterThan(30);
  expect([...codes, "SAME_PARTY"].filter((code) => !told.includes(code))).toEqual([]);
  expect(told).toContain("422: ");
  expect(Object.keys(Problem.properties)).toContain("commandId");

  expect(Object.keys(CommandDoneOrTried.anyOf[1].properties)).toContain("guards");
  const page = await (await asked("/docs")).text();
  const section = page.slice(page.indexOf('<section id="CommandDoneOrTried">'));
  expect(section.slice(0, section.indexOf("</section>"))).toContain("wouldSucceed");

  type Parameter = { readonly name: string; readonly description: string };
  for (const operations of Object.values(paths as Record<string, object>)) {
    for (const { parameters } of Object.values(operations) as { parameters: Parameter[] }[]) {
      const names = parameters.map(({ name }) => name);
      const key = parameters.find(({ name }) => name === "Idempotency-Key");
      if (key === undefined) continue;
      expect(key.description.includes("dryRun")).toBe(names.includes("dryRun"));
    }
  }
});
