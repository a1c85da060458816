// Bad inputs B9, B16, B18, B19, B26: who reaches what, as a matrix over every command route.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createWorld, openDatabase, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = createWorld(await openDatabase());
  const serviceId = "shop";
  await world.escrow("esc_own", { buyerId: "alice", sellerId: "bob" });
  await world.escrow("esc_other", { buyerId: "carol", sellerId: "dave" });
  await world.escrow("esc_shop", { buyerId: "alice", sellerId: "bob", serviceId });
});
afterAll(() => world.db.close());

const hash = "a".repeat(64);
const split = { buyer: "1", seller: "1", reason: "r" };
const bodies: Readonly<Record<string, object>> = {
  accept: { termsHash: hash },
  deliver: {},
  release: {},
  refund: {},
  cancel: {},
  dispute: { reason: "r" },
  "withdraw-dispute": {},
  resolve: split,
  evidence: { text: "t" },
  amend: { title: "t" },
  "settlement-offers": { buyer: "1", seller: "1" },
  "settlement-offers/off_1/accept": {},
  unblock: {},
};
const adminOnly = new Set(["resolve", "unblock"]);
const callers = [
  { as: "alice", roles: ["buyer"], own: 202, admin: 403, other: 404 },
  { as: "bob", roles: ["seller"], own: 202, admin: 403, other: 404 },
  { as: "eve", roles: [], own: 404, admin: 404, other: 404 },
  { as: "eve", roles: ["buyer", "seller"], own: 404, admin: 404, other: 404 },
  { as: "shop", roles: ["service"], own: 404, admin: 404, other: 404 },
  { as: "olga", roles: ["admin"], own: 202, admin: 202, other: 202 },
  { as: "audrey", roles: ["auditor"], own: 403, admin: 403, other: 403 },
];

async function post(escrowId: string, action: string, caller: object, headers = {}) {
  const path = `/v1/escrows/${escrowId}/${action}`;
  return world.call("POST", path, { ...caller, body: bodies[action], headers });
}

for (const action of Object.keys(bodies)) {
  for (const { as, roles, own, admin, other } of callers) {
    test(`B18: ${action} by ${as} (${roles})`, async () => {
      const caller = { as, roles };
      const expectedOwn = adminOnly.has(action) ? admin : own;
      expect((await post("esc_own", action, caller)).status).toBe(expectedOwn);
      expect((await post("esc_other", action, caller)).status).toBe(other);
      expect((await post("esc_nowhere", action, caller)).status).toBe(404);
    });
  }

  test(`B16: ${action} without a token is 401 and nothing happens`, async () => {
    const before = world.published.length;
    const response = await post("esc_own", action, { as: null });
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toStartWith("Bearer");
    expect(world.published.length).toBe(before);
  });

  test(`B26: ${action} answers POST only`, async () => {
    for (const method of ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]) {
      const response = await world.call(method, `/v1/escrows/esc_own/${action}`);
      expect(response.status).toBe(405);
      expect(response.headers.get("Allow")).toBe("POST");
    }
  });
}

// bad input B9
const badIds = [
  "%00",
  "esc_own%00",
  "..%2f..%2fetc%2fpasswd",
  "a".repeat(65),
  "a".repeat(3_000),
  "esc_own'--",
  "%F0%9F%94%AD",
  "esc%20own",
  "%zz",
];

test.each(badIds)("B9: the id %j is the 404 of an escrow of somebody else", async (id) => {
  const foreign = await post("esc_other", "release", { as: "alice" });
  const answer = await post(id, "release", { as: "alice" });
  expect(answer.status).toBe(404);
  const foreignProblem = (await foreign.json()) as object;
  expect({ ...foreignProblem, correlationId: "" }).toEqual({
    ...((await answer.json()) as object),
    correlationId: "",
  });
});

test("B9: ids of offers and approvals are checked before any statement", async () => {
  const caller = { as: "alice" };
  expect((await post("esc_own", "settlement-offers/%00/accept", caller)).status).toBe(404);
  const admin = { as: "olga", roles: ["admin"] };
  expect((await world.call("POST", "/v1/approvals/%00/approve", admin)).status).toBe(404);
  expect((await world.call("POST", "/v1/approvals/apr_none/approve", admin)).status).toBe(404);
});

test("what was accepted a moment ago is not 404, for its parties only", async () => {
  const amount = { amount: "1", currency: "USD" };
  const body = { buyerId: "alice", sellerId: "bob", title: "x", amount };
  const created = await world.call("POST", "/v1/escrows", { body });
  const { escrowId } = (await created.json()) as { escrowId: string };
  expect((await post(escrowId, "accept", { as: "bob" })).status).toBe(202);
  expect((await post(escrowId, "accept", { as: "eve" })).status).toBe(404);
});

test("B18: a service acts for members of the escrows it created, and for nobody else", async () => {
  const shop = { as: "shop", roles: ["service"] };
  const other = { as: "rival", roles: ["service"] };
  const forAlice = { "On-Behalf-Of": "alice" };
  expect((await post("esc_shop", "release", shop, forAlice)).status).toBe(202);
  const actor = world.published.at(-1)?.actor;
  expect([actor?.id, actor?.serviceId]).toEqual(["alice", "shop"]);
  expect(actor?.principal).toBe("app|shop|alice");
  expect((await post("esc_shop", "release", other, forAlice)).status).toBe(404);
  expect((await post("esc_own", "release", shop, forAlice)).status).toBe(404);
  expect((await post("esc_shop", "release", shop, { "On-Behalf-Of": "eve" })).status).toBe(404);
  expect((await post("esc_shop", "release", { as: "bob" }, forAlice)).status).toBe(403);
});

// bad input B19
test("B19: the actor is the token's subject, whatever the body says", async () => {
  for (const forged of [{ actor: { id: "bob" } }, { actorId: "bob" }, { roles: ["admin"] }]) {
    const body = { ...bodies.deliver, ...forged };
    const response = await world.call("POST", "/v1/escrows/esc_own/deliver", { body });
    expect(response.status).toBe(422);
  }
  await post("esc_own", "deliver", { as: "alice" });
  expect(world.published.at(-1)?.actor?.id).toBe("alice");
});

async function ask(action: string, as = "olga", key = `ask-${action}-${as}`) {
  const response = await post(
    "esc_own",
    action,
    { as, roles: ["admin"] },
    { "Idempotency-Key": key },
  );
  return (await response.json()) as { status: string; approvalId: string; commandId: string };
}

async function approve(approvalId: string, as: string, roles = ["admin"]) {
  return world.call("POST", `/v1/approvals/${approvalId}/approve`, { as, roles });
}

test.each(["release", "refund", "unblock"])(
  "B19: an admin's %s waits for a second operator",
  async (action) => {
    const before = world.published.length;
    const asked = await ask(action);
    expect(asked.status).toBe("awaiting_approval");
    expect(world.published.length).toBe(before);
    const same = await approve(asked.approvalId, "olga");
    expect([same.status, ((await same.json()) as { code: string }).code]).toEqual([
      403,
      "APPROVAL_REQUIRED",
    ]);
    expect((await approve(asked.approvalId, "alice", ["buyer"])).status).toBe(403);
    expect(world.published.length).toBe(before);
    const approved = await approve(asked.approvalId, "otto");
    expect(approved.status).toBe(202);
    expect(((await approved.json()) as typeof asked).commandId).toBe(asked.commandId);
    const command = world.published.at(-1);
    expect([command?.commandId, command?.actor?.id]).toEqual([asked.commandId, "olga"]);
    expect(command?.approvedBy).toEqual(["olga", "otto"]);
  },
);

test("a request for approval that is repeated is the same one; another body is 422", async () => {
  const [first, again] = [await ask("release", "olga", "k"), await ask("release", "olga", "k")];
  expect(again).toEqual(first);
  const headers = { "Idempotency-Key": "k" };
  const other = { as: "olga", roles: ["admin"], body: { amount: "7" }, headers };
  expect((await world.call("POST", "/v1/escrows/esc_own/release", other)).status).toBe(422);
});

test("approving twice publishes the same command, approved by the first of the two", async () => {
  const { approvalId } = await ask("release", "olga", "twice");
  await approve(approvalId, "otto");
  await approve(approvalId, "oscar");
  expect(world.published.at(-1)?.approvedBy).toEqual(["olga", "otto"]);
  const rows = await world.db.sql`SELECT approved_by FROM escrow.approval WHERE id = ${approvalId}`;
  expect(rows).toEqual([{ approved_by: "app|otto" }]);
});

test("the database itself refuses one person on both sides", async () => {
  await ask("release", "olga", "rows");
  const forged = world.db
    .sql`UPDATE escrow.approval SET approved_by = asked_by, approved_at = now()`;
  await expect(forged).rejects.toThrow("two_operators");
});

test("an admin who is a party releases as a party", async () => {
  const response = await post("esc_own", "release", { as: "alice", roles: ["admin"] });
  expect(await response.json()).toMatchObject({ status: "pending" });
});

test("an admin who created an escrow of others still needs a second operator", async () => {
  await world.escrow("esc_made", { buyerId: "alice", sellerId: "bob", createdBy: "olga" });
  const response = await post("esc_made", "release", { as: "olga", roles: ["admin"] });
  expect(await response.json()).toMatchObject({ status: "awaiting_approval" });
});
