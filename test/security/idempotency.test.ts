// Bad input B10, feature I1, invariant I8: one request has one effect and one answer.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import type { PgliteDatabase } from "#platform/database/pglite";
import type { CommandOutcome } from "#platform/http/outcomes";
import { createWorld, openDatabase, type World } from "./world.ts";

let db: PgliteDatabase;
let world: World;

beforeAll(async () => {
  db = await openDatabase();
});
afterAll(() => db.close());
beforeEach(async () => {
  world = createWorld(db);
  await world.escrow("esc_1", { buyerId: "alice", sellerId: "bob" });
});

const release = "/v1/escrows/esc_1/release";
const whole = { amount: "5000" };

async function post(key: string, body: unknown = whole, headers = {}, as = "alice") {
  const all = { "Idempotency-Key": key, ...headers };
  const response = await world.call("POST", release, { as, body, headers: all });
  return { response, answer: (await response.json()) as Record<string, unknown> };
}

function decide(status: "succeeded" | "rejected", code = "", fingerprint?: string): CommandOutcome {
  const command = world.published.at(-1);
  if (command === undefined) throw new Error("nothing was published");
  const outcome = {
    commandId: command.commandId,
    escrowId: command.escrowId,
    fingerprint: fingerprint ?? command.fingerprint,
    status,
    code,
    detail: code,
    eventIds: [],
    version: 4n,
  };
  world.outcomes.set(command.commandId, outcome);
  return outcome;
}

test("B10: a missing key is 400", async () => {
  const response = await world.call("POST", release, { headers: { "Idempotency-Key": null } });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: "IDEMPOTENCY_KEY_REQUIRED" });
  expect(world.published).toHaveLength(0);
});

test.each(["", " ", "a".repeat(256), "a".repeat(300), "schlüssel", "a\tb"])(
  "B10: the key %j is 400",
  async (key) => {
    const { response, answer } = await post(key);
    expect([response.status, answer.code]).toEqual([400, "IDEMPOTENCY_KEY_REQUIRED"]);
    expect(world.published).toHaveLength(0);
  },
);

test("B10: 255 printable characters are a key", async () => {
  expect((await post("~".repeat(255))).response.status).toBe(202);
});

test("B10: a hundred at once have one command id, and the log is asked once", async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, () => post("k")));
  expect(new Set(answers.map(({ answer }) => answer.commandId)).size).toBe(1);
  expect(answers.every(({ response }) => response.status === 202)).toBe(true);
  expect(world.published).toHaveLength(1);
});

test("a repeat is the first answer again, and says so", async () => {
  const first = await post("k");
  const again = await post("k", { amount: "5000" });
  expect(again.answer).toEqual(first.answer);
  expect(first.response.headers.get("Idempotent-Replay")).toBeNull();
  expect(again.response.headers.get("Idempotent-Replay")).toBe("true");
  expect(again.response.headers.get("Location")).toBe(first.response.headers.get("Location"));
});

test("another spelling of the same body is the same request", async () => {
  const first = await post("k", '{"amount":"5000","milestoneId":"m1"}');
  const again = await post("k", '{ "milestoneId" : "m1", "amount" : "\\u0035000" }');
  expect(again.response.headers.get("Idempotent-Replay")).toBe("true");
  expect(again.answer.commandId).toBe(first.answer.commandId);
});

test("B10: another body under the same key is 422, and nothing more is published", async () => {
  await post("k");
  const { response, answer } = await post("k", { amount: "5001" });
  expect([response.status, answer.code]).toEqual([422, "IDEMPOTENCY_CONFLICT"]);
  expect(world.published).toHaveLength(1);
});

test("B10: another body is told so by the outcome when this process never saw the first", async () => {
  const first = await post("k");
  const outcome = decide("succeeded");
  const other = createWorld(db);
  other.outcomes.set(outcome.commandId, outcome);
  const headers = { "Idempotency-Key": "k", Prefer: "wait=1" };
  const same = await other.call("POST", release, { body: whole, headers });
  expect([same.status, same.headers.get("Idempotent-Replay")]).toEqual([200, "true"]);
  expect(((await same.json()) as typeof first.answer).commandId).toBe(first.answer.commandId);
  const wrong = await other.call("POST", release, { body: { amount: "1" }, headers });
  expect(wrong.status).toBe(422);
  expect(other.published).toHaveLength(0);
});

test("B10: a key belongs to its caller", async () => {
  const mine = await post("k");
  const his = await post("k", whole, {}, "bob");
  expect(his.response.status).toBe(202);
  expect(his.answer.commandId).not.toBe(mine.answer.commandId);
});

test("a repeated creation meets its first self, another caller's key makes another escrow", async () => {
  const amount = { amount: "1", currency: "USD" };
  const body = { buyerId: "alice", sellerId: "bob", title: "x", amount };
  const headers = { "Idempotency-Key": "k" };
  const create = async (as: string) => {
    const response = await world.call("POST", "/v1/escrows", { as, body, headers });
    return (await response.json()) as { escrowId: string };
  };
  const [first, again, other] = [await create("alice"), await create("alice"), await create("bob")];
  expect(first.escrowId).toMatch(/^esc_[0-9a-f]{32}$/);
  expect(again).toEqual(first);
  expect(other.escrowId).not.toBe(first.escrowId);
});

test("a log that is away is 503: repeat with the same key, and it goes out then", async () => {
  world.setLogDown(true);
  const { response, answer } = await post("k");
  expect(response.status).toBe(503);
  expect(response.headers.get("Retry-After")).toBe("1");
  expect(answer.commandId).toMatch(/^[0-9a-f]{64}$/);
  expect(JSON.stringify(answer)).not.toContain("10.0.0.7");
  world.setLogDown(false);
  const again = await post("k");
  expect(again.response.status).toBe(202);
  expect(again.answer.commandId).toBe(answer.commandId);
  expect(world.published).toHaveLength(1);
});

test("Prefer: wait answers the new state, with its version as entity tag", async () => {
  await post("k");
  decide("succeeded");
  const { response, answer } = await post("k", whole, { Prefer: "wait=5" });
  expect(response.status).toBe(200);
  expect(response.headers.get("Preference-Applied")).toBe("wait");
  expect(response.headers.get("ETag")).toBe('"4"');
  expect(answer).toMatchObject({ status: "succeeded", escrow: { escrowId: "esc_1" } });
});

test("Prefer: wait without an outcome in time is 202 all the same", async () => {
  const { response, answer } = await post("k", whole, { Prefer: "wait=1" });
  expect([response.status, answer.status]).toEqual([202, "pending"]);
  expect(response.headers.get("Preference-Applied")).toBe("wait");
});

test("where no outcomes are known, a wish to wait is not honoured", async () => {
  const other = createWorld(db, false);
  const response = await other.call("POST", release, { headers: { Prefer: "wait=5" } });
  expect(response.status).toBe(202);
  expect(response.headers.get("Preference-Applied")).toBeNull();
});

test.each([
  ["NOT_FOUND", 404],
  ["NOT_THE_BUYER", 403],
  ["NOT_THE_SELLER", 403],
  ["ROLE_REQUIRED", 403],
  ["ESCROW_LOCKED", 409],
  ["NOT_FUNDED", 409],
  ["ALREADY_SETTLED", 409],
  ["DEADLINE_PASSED", 409],
  ["INSUFFICIENT_HELD", 409],
  ["VERSION_MOVED", 412],
  ["SAME_PARTY", 422],
  ["MILESTONE_REQUIRED", 422],
  ["CURRENCY_MISMATCH", 422],
  ["AMOUNT", 422],
])("a rejection %s, waited for, is %i", async (code, status) => {
  await post("k");
  decide("rejected", code);
  const { response, answer } = await post("k", whole, { Prefer: "wait=5" });
  expect(response.status).toBe(status);
  expect(answer).toMatchObject({ code, status, detail: code });
  expect(response.headers.get("Idempotent-Replay")).toBe("true");
});

test("If-Match is the version the command expects; what is no version is 400", async () => {
  await post("a", whole, { "If-Match": '"4"' });
  expect(world.published.at(-1)?.expectedVersion).toBe(4n);
  for (const bad of ['"0"', '"x"', 'W/"4"', '"4", "5"', "-1"]) {
    expect((await post("b", whole, { "If-Match": bad })).response.status).toBe(400);
  }
});

test("a dry run needs no key, answers what would happen, and writes nothing", async () => {
  await world.escrow("esc_dry", { buyerId: "paula", sellerId: "bob" });
  const send = async (path: string, body: object) => {
    const headers = { "Idempotency-Key": null };
    return world.call("POST", `/v1/escrows/esc_dry/${path}`, { as: "paula", body, headers });
  };
  const response = await send("release?dryRun=true", {});
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ wouldSucceed: true, guards: [], postings: [] });
  expect((await send("dispute?dryRun=true", { reason: "x" })).status).toBe(200);
  expect((await send("release?dryRun=maybe", {})).status).toBe(422);
  expect((await send("release?dryRun=false", {})).status).toBe(400);
  expect(world.published).toHaveLength(0);
  expect(await db.sql`SELECT 1 FROM keyring.key WHERE subject = 'paula'`).toHaveLength(0);
});
