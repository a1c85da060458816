// Bad inputs B2 to B6 against every command route: the status, the field's path, and nothing stored.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createWorld, openDatabase, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = createWorld(await openDatabase());
  await world.escrow("esc_1", { buyerId: "alice", sellerId: "bob" });
});
afterAll(() => world.db.close());

const create = {
  buyerId: "alice",
  sellerId: "bob",
  title: "A used lens",
  amount: { amount: "10000", currency: "USD" },
};
const hash = "a".repeat(64);
const split = { buyer: "4000", seller: "6000" };

interface Route {
  readonly path: string;
  readonly good: object;
  readonly roles?: readonly string[];
}

const routes: readonly Route[] = [
  { path: "/v1/escrows", good: create },
  { path: "/v1/escrows/esc_1/accept", good: { termsHash: hash } },
  { path: "/v1/escrows/esc_1/deliver", good: { note: "tracking 123" } },
  { path: "/v1/escrows/esc_1/release", good: { amount: "5000", milestoneId: "m1" } },
  { path: "/v1/escrows/esc_1/refund", good: { amount: "5000", reason: "broken" } },
  { path: "/v1/escrows/esc_1/cancel", good: { reason: "changed my mind" } },
  { path: "/v1/escrows/esc_1/dispute", good: { reason: "scratched" } },
  { path: "/v1/escrows/esc_1/withdraw-dispute", good: { milestoneId: "m1" } },
  { path: "/v1/escrows/esc_1/resolve", good: { ...split, reason: "half" }, roles: ["admin"] },
  { path: "/v1/escrows/esc_1/evidence", good: { text: "photo", sha256: hash } },
  { path: "/v1/escrows/esc_1/amend", good: { title: "Two lenses" } },
  { path: "/v1/escrows/esc_1/settlement-offers", good: split },
  { path: "/v1/escrows/esc_1/settlement-offers/off_1/accept", good: {} },
  { path: "/v1/escrows/esc_1/unblock", good: { reason: "cleared" }, roles: ["admin"] },
];

async function send(route: Route, body: unknown, headers: Record<string, string> = {}) {
  const roles = route.roles ?? [];
  const as = roles.includes("admin") ? "olga" : "alice";
  return world.call("POST", route.path, { as, body, roles, headers });
}

/** Refused with this status (and field), and nothing was said to anyone. */
async function refused(response: Promise<Response>, status: number, field?: string): Promise<void> {
  const before = world.published.length;
  const answer = await response;
  expect(answer.status).toBe(status);
  expect(answer.headers.get("Content-Type")).toBe("application/problem+json");
  const problem = (await answer.json()) as { field?: string; code: string; correlationId: string };
  expect(problem.correlationId).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
  if (field !== undefined) expect(problem.field).toBe(field);
  expect(world.published.length).toBe(before);
}

test.each(routes)("a good body of $path is 202 with its command's address", async (route) => {
  const response = await send(route, route.good);
  expect(response.status).toBe(202);
  const answer = (await response.json()) as Record<string, string>;
  expect(answer.commandId).toMatch(/^[0-9a-f]{64}$/);
  if (answer.status === "awaiting_approval") return;
  expect(answer.status).toBe("pending");
  expect(response.headers.get("Location")).toStartWith(`/v1/commands/${answer.commandId}?f=`);
});

for (const route of routes) {
  const { path, good } = route;
  const text = JSON.stringify(good);

  test(`B2: ${path} refuses what is not one small JSON value`, async () => {
    const deep = `${'{"a":'.repeat(33)}""${"}".repeat(33)}`;
    const wide = `{${Array.from({ length: 1_001 }, (_, i) => `"k${i}":""`).join(",")}}`;
    for (const body of ["{", `${text}x`, `\ufeff${text}`, '{"a":"","a":""}', deep, wide]) {
      await refused(send(route, body), 400);
    }
    await refused(send(route, `"${"a".repeat(65_535)}"`), 413);
    await refused(send(route, text, { "Content-Length": "70000" }), 413);
    for (const encoding of ["gzip", "br", "deflate, gzip"]) {
      await refused(send(route, text, { "Content-Encoding": encoding }), 415);
    }
    for (const value of ['"text"', "[]", "null", "true"]) await refused(send(route, value), 422);
  });

  test(`B5: ${path} refuses unknown and prototype fields`, async () => {
    for (const field of [
      "extra",
      "__proto__",
      "constructor",
      "prototype",
      "$typeName",
      "toString",
    ]) {
      const body = text === "{}" ? `{"${field}":""}` : `${text.slice(0, -1)},"${field}":""}`;
      await refused(send(route, body), 422, field);
    }
    expect(Object.hasOwn(Object.prototype, "extra")).toBe(false);
  });

  test(`B6: ${path} takes application/json only`, async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/json; charset=utf-7",
      "application/json, application/json",
      "application/jsonx",
      "",
    ]) {
      await refused(send(route, text === "{}" ? "{ }" : text, { "Content-Type": type }), 415);
    }
    const spelled = { "Content-Type": "Application/JSON; charset=UTF-8" };
    expect((await send(route, text, spelled)).status).toBe(202);
  });

  for (const field of Object.keys(good)) {
    test(`B3: ${path} refuses a ${field} that is null: it would be taken for one nobody sent`, async () => {
      await refused(send(route, { ...good, [field]: null }), 422, field);
    });
  }

  for (const [field, value] of Object.entries(good)) {
    if (typeof value !== "string") continue;
    test(`B3, B4: ${path} refuses a ${field} that is no text`, async () => {
      const [whole, key] = [text.replace(JSON.stringify(value), "@"), field];
      for (const bad of ["1", "1e400", "-0", "NaN", '"\\u0000"', '"\\ud800"', '"a\\u0007"']) {
        await refused(send(route, whole.replace("@", bad)), 422, key);
      }
      for (const bad of ["{}", "[]", "true"]) {
        expect((await send(route, whole.replace("@", bad))).status).toBe(422);
      }
    });
  }
}

const badAmounts = [
  "",
  "0",
  "-1",
  "1.005",
  "1e3",
  "0x10",
  " 5",
  "05",
  "+5",
  "١",
  "9223372036854775808",
];
const tooMuch = ["1000000000000001", "9".repeat(30)];

test.each([...badAmounts, ...tooMuch])("B3: the amount %j is 422 with its path", async (amount) => {
  const at = (path: string): Route => ({ path: `/v1/escrows${path}`, good: {}, roles: ["admin"] });
  await refused(
    send(at(""), { ...create, amount: { amount, currency: "USD" } }),
    422,
    "amount.amount",
  );
  const milestones = [
    { milestoneId: "m1", amount: "1" },
    { milestoneId: "m2", amount },
  ];
  await refused(send(at(""), { ...create, milestones }), 422, "milestones[1].amount");
  await refused(send(at("/esc_1/release"), { amount }), 422, "amount");
  await refused(send(at("/esc_1/refund"), { amount: { amount } }), 422, "amount.amount");
  if (amount === "0") return;
  await refused(send(at("/esc_1/resolve"), { ...split, reason: "r", buyer: amount }), 422, "buyer");
  await refused(send(at("/esc_1/settlement-offers"), { ...split, seller: amount }), 422, "seller");
});

test.each([
  [{ milestoneId: null }, "milestoneId"],
  [{ milestoneId: "", amount: null }, "milestoneId"],
  [{ milestoneId: "" }, "milestoneId"],
  [{ milestoneId: "m1", amount: null }, "amount"],
  [{ amount: null }, "amount"],
  [{ amount: { amount: "1", currency: null } }, "amount.currency"],
  [{ amount: "" }, "amount"],
])("B3: a variable nobody set pays out nothing: %j", async (body, field) => {
  for (const action of ["release", "refund"]) {
    await refused(send({ path: `/v1/escrows/esc_1/${action}`, good: {} }, body), 422, field);
  }
});

test("B3: a reason of blanks is none, and locks nothing", async () => {
  const at = (path: string): Route => ({
    path: `/v1/escrows/esc_1${path}`,
    good: {},
    roles: ["admin"],
  });
  for (const reason of ["   ", "\t\n"]) {
    await refused(send(at("/dispute"), { reason }), 422, "reason");
    await refused(send(at("/resolve"), { ...split, reason }), 422, "reason");
  }
  await refused(send({ path: "/v1/escrows", good: {} }, { ...create, title: "  " }), 422, "title");
});

test("B3: 10^15 itself is an amount, and arrives to the unit", async () => {
  const amount = { amount: "1000000000000000", currency: "USD" };
  const response = await world.call("POST", "/v1/escrows", { body: { ...create, amount } });
  expect(response.status).toBe(202);
  const { body } = world.published.at(-1) ?? {};
  if (body?.case !== "createEscrow") throw new Error("no creation was published");
  expect(body.value.terms?.amount?.amount).toBe(10n ** 15n);
});

test.each(["usd", "US", "USDOLLAR", "U$D", "../..", ""])(
  "B3: the currency %j is 422 with its path",
  async (currency) => {
    const body = { ...create, amount: { amount: "1", currency } };
    const route = { path: "/v1/escrows", good: {} };
    await refused(send(route, body), 422, "amount.currency");
  },
);

test("B4: ten megabytes of text are 413, eight thousand characters are stored sealed", async () => {
  const route = { path: "/v1/escrows", good: {} };
  await refused(send(route, { ...create, description: "a".repeat(10_000_000) }), 413);
  await refused(send(route, { ...create, description: "a".repeat(8_001) }), 422, "description");
  const description = "é\u202e\u200b🔭".repeat(1_000);
  expect((await send(route, { ...create, description })).status).toBe(202);
});

test("no readable personal data is published", async () => {
  const body = { ...create, title: "CANARY lens", description: "CANARY words" };
  await world.call("POST", "/v1/escrows", { body });
  await world.call("POST", "/v1/escrows/esc_1/dispute", { body: { reason: "CANARY scratch" } });
  const published = Buffer.from(
    world.published.map((command) => JSON.stringify(command, plain)).join(),
  );
  expect(published.includes("ciphertext")).toBe(true);
  expect(published.includes("CANARY")).toBe(false);
});

test("nothing at all is an empty body", async () => {
  const headers = { "Content-Type": "text/plain" };
  const options = { body: "", headers };
  expect((await world.call("POST", "/v1/escrows/esc_1/release", options)).status).toBe(202);
  await refused(world.call("POST", "/v1/escrows", options), 422);
});

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
}

test("what only the log's own rules refuse is 422, without an inner word", async () => {
  const route = { path: "/v1/escrows", good: create };
  world.setRefusing(true);
  const answer = await send(route, create);
  world.setRefusing(false);
  expect(answer.status).toBe(422);
  const text = await answer.text();
  expect(text).not.toContain("inner");
  expect(JSON.parse(text)).toMatchObject({ code: "INVALID_BODY" });
  expect((await send(route, create)).status).toBe(202);
});
