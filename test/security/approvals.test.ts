// Approvals: a party never approves or asks, a refused try leaves the request open, an open one
// ends after a day, and operators see what waits.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createWorld, openDatabase, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = createWorld(await openDatabase());
  await world.escrow("esc_1", { buyerId: "alice", sellerId: "bob" });
});
afterAll(() => world.db.close());

const admin = ["admin"];

async function ask(as: string, action: string, key: string) {
  const headers = { "Idempotency-Key": key };
  return world.call("POST", `/v1/escrows/esc_1/${action}`, { as, roles: admin, headers });
}

async function asked(key: string) {
  const answer = await ask("olga", "release", key);
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { approvalId: string }).approvalId;
}

async function approve(approvalId: string, as: string) {
  return world.call("POST", `/v1/approvals/${approvalId}/approve`, { as, roles: admin });
}

async function codeOf(answer: Response) {
  return ((await answer.json()) as { code: string }).code;
}

async function openOnes(as = "otto", roles = admin) {
  return world.call("GET", "/v1/approvals", { as, roles });
}

interface Listed {
  readonly approvalId: string;
  readonly approvedBy?: string;
  readonly expiresAt?: string;
}

async function listed(): Promise<Listed[]> {
  return ((await (await openOnes()).json()) as { approvals: Listed[] }).approvals;
}

async function listedAs(approvalId: string): Promise<Listed | undefined> {
  return (await listed()).find((open) => open.approvalId === approvalId);
}

test.each(["alice", "bob"])("%s, a party who is an admin too, burns no approval", async (party) => {
  const approvalId = await asked(`burn-${party}`);
  const before = world.published.length;
  const refused = await approve(approvalId, party);
  expect([refused.status, await codeOf(refused)]).toEqual([403, "ROLE_REQUIRED"]);
  expect(world.published.length).toBe(before);
  expect((await approve(approvalId, "otto")).status).toBe(202);
  expect(world.published.at(-1)?.approvedBy).toEqual(["olga", "otto"]);
});

test("a party who is an admin too asks for no approval either", async () => {
  const refused = await ask("bob", "unblock", "ask-bob");
  expect([refused.status, await codeOf(refused)]).toEqual([403, "ROLE_REQUIRED"]);
  const rows = await world.db.sql`SELECT id FROM escrow.approval WHERE asked_by = 'app|bob'`;
  expect(rows).toEqual([]);
});

test("an open approval ends after 24 hours; the same request asks for nothing new", async () => {
  const approvalId = await asked("old");
  await world.db.sql`
    UPDATE escrow.approval SET asked_at = asked_at - interval '24 hours' WHERE id = ${approvalId}`;
  const late = await approve(approvalId, "otto");
  expect([late.status, await codeOf(late)]).toEqual([409, "APPROVAL_EXPIRED"]);
  const again = await ask("olga", "release", "old");
  expect([again.status, await codeOf(again)]).toEqual([409, "APPROVAL_EXPIRED"]);
  expect((await listed()).map((open) => open.approvalId)).not.toContain(approvalId);
});

test("what was approved in time is published again at any time", async () => {
  const approvalId = await asked("done");
  await approve(approvalId, "otto");
  await world.db.sql`
    UPDATE escrow.approval SET asked_at = asked_at - interval '2 days' WHERE id = ${approvalId}`;
  expect((await approve(approvalId, "oscar")).status).toBe(202);
  expect(world.published.at(-1)?.approvedBy).toEqual(["olga", "otto"]);
});

test("operators see what waits, oldest first, and nobody else does", async () => {
  const [first, second] = [await asked("list-1"), await asked("list-2")];
  const open = await listed();
  const own = open.filter(({ approvalId }) => [first, second].includes(approvalId));
  expect(own).toMatchObject([
    { approvalId: first, escrowId: "esc_1", action: "releaseFunds", askedBy: "olga" },
    { approvalId: second },
  ]);
  await approve(first, "otto");
  expect((await listed()).map(({ approvalId }) => approvalId)).not.toContain(first);
  for (const roles of [[], ["buyer"], ["auditor"], ["service"]]) {
    expect((await openOnes("eve", roles)).status).toBe(403);
  }
});

test("what two approved and the log does not have stays listed, for ever, and is approved again", async () => {
  const approvalId = await asked("no-log");
  const before = world.published.length;
  world.setLogDown(true);
  const lost = await approve(approvalId, "otto");
  world.setLogDown(false);
  expect([lost.status, world.published.length]).toEqual([503, before]);
  await world.db.sql`
    UPDATE escrow.approval SET asked_at = asked_at - interval '2 days' WHERE id = ${approvalId}`;
  const left = await listedAs(approvalId);
  expect([left?.approvedBy, left?.expiresAt]).toEqual(["otto", undefined]);
  const again = await approve(approvalId, "otto");
  expect([again.status, world.published.length]).toEqual([202, before + 1]);
  expect(world.published.at(-1)?.approvedBy).toEqual(["olga", "otto"]);
  expect(await listedAs(approvalId)).toBeUndefined();
});

test("a process that died between the approval and the log leaves it listed, for one command", async () => {
  const approvalId = await asked("died");
  await approve(approvalId, "otto");
  const published = world.published.at(-1);
  // As it stands when nobody could note that the log has it, and found by another process.
  await world.db.sql`UPDATE escrow.approval SET done_at = NULL WHERE id = ${approvalId}`;
  expect((await listedAs(approvalId))?.approvedBy).toBe("otto");
  const other = createWorld(world.db);
  const roles = { as: "otto", roles: admin };
  const again = await other.call("POST", `/v1/approvals/${approvalId}/approve`, roles);
  expect([again.status, other.published.map(({ commandId }) => commandId)]).toEqual([
    202,
    [published?.commandId ?? ""],
  ]);
  expect(await listedAs(approvalId)).toBeUndefined();
});

test("what the log will never take is not listed for ever", async () => {
  const approvalId = await asked("refused");
  world.setRefusing(true);
  const refused = await approve(approvalId, "otto");
  world.setRefusing(false);
  expect([refused.status, await codeOf(refused)]).toEqual([422, "INVALID_BODY"]);
  expect(await listedAs(approvalId)).toBeUndefined();
});
