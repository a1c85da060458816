/**
 * Dead letters over HTTP, as operators meet them: a message that no reader can take, one that a
 * fault of the database kept out for a while, who may do what, and who must be asked twice.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { CommandSchema, RaiseDisputeSchema } from "#gen/escrow/v1/commands_pb";
import { SealedTextSchema } from "#gen/escrow/v1/types_pb";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { eventually } from "../support/logs.ts";
import { fundedEscrow } from "../support/sale.ts";

setDefaultTimeout(120_000);

let app: TestApp;
let stores: Stores;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(async () => {
  await app.stop();
});

const olga = () => app.as("olga", "admin");
const otto = () => app.as("otto", "admin");

async function send(topic: string, key: string, value: Uint8Array) {
  const producer = app.server.log.createProducer();
  const headers = {
    "message-id": `m-${key}`,
    "message-type": "poison",
    "correlation-id": "corr-1",
  };
  await producer.send([{ topic, key, value, headers }]);
  await producer.close();
}

async function letters(query: string) {
  const { status, body } = await olga().get(`/v1/dead-letters?${query}`);
  expect(status).toBe(200);
  return body.items;
}

async function letterOf(consumer: string, key: string, more = "") {
  const query = `consumer=${consumer}&key=${key}${more}`;
  await eventually(async () => (await letters(query)).length === 1, 30_000);
  return (await letters(query))[0];
}

test("K4, seed B5: a message nobody can take is listed, grouped and shown with its story", async () => {
  await send("escrow.commands.v1", "esc_stranger", Buffer.from([0xff, 1]));
  const letter = await letterOf("escrow.commands", "esc_stranger");
  expect(letter.id).toMatch(/^escrow\.commands:escrow\.commands\.v1:\d+:\d+$/);
  expect(letter).toMatchObject({
    state: "dead",
    attempts: 1,
    causeClass: "TerminalError",
    escrow: "/v1/escrows/esc_stranger",
  });
  await letterOf("projections.escrow-commands", "esc_stranger");
  const { body: grouped } = await olga().get("/v1/dead-letters?group=true&key=esc_stranger");
  expect(grouped.groups).toMatchObject([
    {
      letters: 2,
      dead: 2,
      causeClass: "TerminalError",
      consumers: ["escrow.commands", "projections.escrow-commands"],
    },
  ]);
  const { body: shown } = await app.as("audrey", "auditor").get(`/v1/dead-letters/${letter.id}`);
  expect(shown).toMatchObject({
    id: letter.id,
    headers: { "correlation-id": "corr-1", "message-id": "m-esc_stranger" },
    body: { bytes: 2, startsWith: "/wE=" },
    stack: expect.stringContaining("TerminalError"),
    behind: 0,
    followers: [],
    history: [],
  });
});

test("K4: the body is decoded by its topic's type, and a person's text stays sealed", async () => {
  const ciphertext = new Uint8Array(40).fill(7);
  const reason = create(SealedTextSchema, { subject: "alice", keyId: "k", ciphertext });
  // No dispute of nobody: the rules of the proto refuse it after it was decoded.
  const command = create(CommandSchema, {
    escrowId: "esc_sealed",
    body: { case: "raiseDispute", value: create(RaiseDisputeSchema, { reason }) },
  });
  await send("escrow.commands.v1", "esc_sealed", toBinary(CommandSchema, command));
  const { id } = await letterOf("escrow.commands", "esc_sealed");
  const { body } = await olga().get(`/v1/dead-letters/${id}`);
  expect(body.body).toMatchObject({
    escrowId: "esc_sealed",
    raiseDispute: { reason: { subject: "alice", sealed: true } },
  });
  expect(JSON.stringify(body)).not.toContain(
    Buffer.from(ciphertext).toString("base64").slice(0, 20),
  );
});

test("K5: a dry run says what would be and changes nothing; a rate spreads replays over time", async () => {
  for (const n of [1, 2, 3]) await send("escrow.commands.v1", `esc_rate${n}`, Buffer.from([0xff]));
  for (const n of [1, 2, 3]) await letterOf("escrow.commands", `esc_rate${n}`);
  const filter = { consumer: "escrow.commands", since: "PT1H" };
  const asked = { filter, reason: "INC-7", ratePerSecond: "0.01", dryRun: true };
  const before = (await letters("consumer=escrow.commands")).length;
  const { body: dry } = await olga().post("/v1/dead-letters/replay", asked);
  expect(dry).toMatchObject({ status: "dry_run", letters: before, seconds: (before - 1) * 100 });
  expect(await letters("consumer=escrow.commands&state=waiting")).toEqual([]);
  const { body: done } = await olga().post("/v1/dead-letters/replay", { ...asked, dryRun: false });
  expect(done).toMatchObject({ status: "replaying", letters: before });
  const later = await letters("consumer=escrow.commands&state=waiting");
  expect(later.length).toBeGreaterThanOrEqual(before - 1);
  const times = later.map((one: { nextTryAt: string }) => Date.parse(one.nextTryAt)).sort();
  expect(times.at(-1) - times.at(-2)).toBeGreaterThan(90_000);
});

test("K5: a replay that fails again is dead again, counted, and the acts are kept with who and why", async () => {
  const { id } = await letterOf("projections.escrow-commands", "esc_rate1");
  const replay = { ids: [id], reason: "INC-8" };
  expect((await olga().post("/v1/dead-letters/replay", replay)).body.letters).toBe(1);
  await letterOf("projections.escrow-commands", "esc_rate1", "&state=dead");
  await eventually(async () => {
    const { body } = await olga().get(`/v1/dead-letters/${id}`);
    return body.attempts === 2 && body.state === "dead";
  }, 30_000);
  const { body } = await olga().get(`/v1/dead-letters/${id}`);
  expect(body.history).toMatchObject([{ action: "replay", askedBy: "olga", reason: "INC-8" }]);
});

test("K3, K5: what a fault kept out goes through after the replay, every version in its order", async () => {
  const { escrowId, alice, bob } = await fundedEscrow(app);
  const db = stores.databases.projections;
  await db.script(`
    CREATE FUNCTION projections.out_of_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'a fault' USING ERRCODE = '23514'; END $$;
    CREATE TRIGGER out_of_order BEFORE UPDATE ON projections.escrow_view FOR EACH ROW
      WHEN (NEW.escrow_id = '${escrowId}') EXECUTE FUNCTION projections.out_of_order()`);
  // Nobody waits for the outcome: who would tell it is held up.
  const now = { wait: false };
  await bob.post(`/v1/escrows/${escrowId}/deliver`, { note: "sent" }, now);
  expect((await alice.post(`/v1/escrows/${escrowId}/release`, {}, now)).status).toBe(202);
  await app.settle();
  const { id, state } = await letterOf("projections.escrow-events", escrowId);
  expect(state).toBe("waiting");
  const { body: held } = await olga().get(`/v1/dead-letters/${id}`);
  expect(held.behind).toBeGreaterThan(0);
  // Another key meanwhile goes all the way.
  const other = await fundedEscrow(app);
  expect((await other.alice.get(`/v1/escrows/${other.escrowId}`)).body.state).toBe("FUNDS_HELD");

  await db.script("DROP TRIGGER out_of_order ON projections.escrow_view");
  const replay = { filter: { key: escrowId }, reason: "the fault is mended" };
  expect((await olga().post("/v1/dead-letters/replay", replay)).body.letters).toBe(1);
  await eventually(async () => {
    const { body } = await alice.get(`/v1/escrows/${escrowId}`);
    return body.state === "RELEASED";
  }, 30_000);
  expect(await letters(`key=${escrowId}`)).toEqual([]);
  // Read models equal the fold of all events, in their order; nothing slipped by meanwhile.
  const { body: verified } = await olga().post("/v1/operations/verify");
  const judged = verified.checks.filter(({ id }: { id: string }) => /^I(3|5|6|7|10)$/.test(id));
  expect(judged.length).toBeGreaterThan(10);
  expect(judged.filter(({ ok }: { ok: boolean }) => !ok)).toEqual([]);
  const [rows] = await db.sql<{ n: number }>`
    SELECT count(*)::int AS n FROM projections.blocked_key WHERE key = ${escrowId}`;
  expect(rows?.n).toBe(0);
});

test("discarding what moves money takes two people, and neither is a party of it", async () => {
  const { escrowId } = await fundedEscrow(app);
  await send("payments.commands.v1", escrowId, Buffer.from([0xff, 2]));
  const { id } = await letterOf("payments.commands", escrowId);
  const wish = { ids: [id], reason: "INC-9" };
  const party = await app.as("alice", "admin").post("/v1/dead-letters/discard", wish);
  expect(party).toMatchObject({ status: 403, body: { code: "ROLE_REQUIRED" } });
  const asked = await olga().post("/v1/dead-letters/discard", wish);
  expect(asked).toMatchObject({ status: 202, body: { status: "awaiting_approval", letters: 1 } });
  const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
  expect(await olga().post(approve)).toMatchObject({
    status: 403,
    body: { code: "APPROVAL_REQUIRED" },
  });
  expect((await app.as("bob", "admin").post(approve)).status).toBe(403);
  expect(await letters(`consumer=payments.commands&key=${escrowId}`)).toHaveLength(1);
  const { body: open } = await otto().get("/v1/approvals");
  expect(open.approvals).toMatchObject([
    { action: "discardLetters", escrowId, askedBy: "olga", letters: [id], reason: "INC-9" },
  ]);

  expect(await otto().post(approve)).toMatchObject({
    status: 200,
    body: { status: "discarded", ids: [id] },
  });
  expect(await letters(`consumer=payments.commands&key=${escrowId}`)).toEqual([]);
  const kept = await stores.databases.payments.sql`
    SELECT key, asked_by, approved_by, encode(value, 'hex') AS bytes FROM payments.letter_action`;
  expect(kept).toEqual([
    { key: escrowId, asked_by: "app|olga", approved_by: "app|otto", bytes: "ff02" },
  ]);
  for (const operator of [otto(), olga()]) {
    expect(await operator.post(approve)).toMatchObject({
      status: 409,
      body: { code: "APPROVAL_USED" },
    });
  }
});

test("a discard under a party's key is shown as about no escrow and no provider", async () => {
  await send("payments.commands.v1", "carla", Buffer.from([0xff, 3]));
  const { id } = await letterOf("payments.commands", "carla");
  const asked = await olga().post("/v1/dead-letters/discard", { ids: [id], reason: "INC-8" });
  const { body: open } = await otto().get("/v1/approvals");
  expect(open.approvals).toMatchObject([{ action: "discardLetters", escrowId: "", letters: [id] }]);
  expect(open.approvals[0]).not.toHaveProperty("provider");
  const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
  expect((await otto().post(approve)).status).toBe(200);
});

test("a discard of what moves no money takes one, and says which it was", async () => {
  const { id } = await letterOf("projections.escrow-commands", "esc_rate2");
  const done = await olga().post("/v1/dead-letters/discard", { ids: [id], reason: "INC-10" });
  expect(done).toMatchObject({ status: 200, body: { status: "discarded", ids: [id] } });
  expect((await olga().get(`/v1/dead-letters/${id}`)).status).toBe(404);
});

test("nothing is meant by saying nothing, and nobody else may look or act", async () => {
  const wrong = [
    {},
    { reason: "INC-1" },
    { all: true },
    { ids: ["x"], reason: "INC-1" },
    { ids: ["escrow.commands:escrow.commands.v1:0:0"], all: true, reason: "INC-1" },
    { filter: {}, reason: "INC-1" },
    { all: true, reason: "INC-1", ratePerSecond: "0" },
    { filter: { state: "sad" }, reason: "INC-1" },
  ];
  for (const body of wrong) {
    expect([body, (await olga().post("/v1/dead-letters/replay", body)).status]).toEqual([
      body,
      422,
    ]);
  }
  for (const who of [app.as("alice", "buyer"), app.as("sam", "service")]) {
    expect((await who.get("/v1/dead-letters")).status).toBe(403);
    expect((await who.get("/v1/outbox/held")).status).toBe(403);
  }
  const audrey = app.as("audrey", "auditor");
  const act = { all: true, reason: "INC-1" };
  for (const path of ["dead-letters/replay", "dead-letters/discard", "outbox/retry"]) {
    expect((await audrey.post(`/v1/${path}`, act)).status).toBe(403);
  }
});

test("what operators did is in the audit log, whose chain holds", async () => {
  await eventually(async () => {
    const { body } = await olga().post("/v1/operations/audit");
    return body.logs.every((log: { waiting: number }) => log.waiting === 0);
  }, 30_000);
  const { body } = await olga().post("/v1/operations/audit");
  expect(body.logs.filter((log: { broken?: string }) => log.broken)).toEqual([]);
  const [link] = await stores.databases.payments.sql`
    SELECT seq FROM payments.audit_link WHERE 'letter_action' = ANY(sources)`;
  expect(link).toBeDefined();
});

test("I7: a row the log refused is listed, and leaves for the log once it is sent again", async () => {
  const db = stores.databases.escrow;
  await db.sql`
    INSERT INTO escrow.outbox_held
      (pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, error)
    VALUES (nextval('escrow.outbox_pos'), 0, 'held-1', 'escrow.events.v1.dlq', 'k', 'test', 'x',
      '{"message-id":"held-1"}', clock_timestamp(), 'too large')`;
  const { body } = await olga().get("/v1/outbox/held");
  expect(body.items).toMatchObject([
    { schema: "escrow", messageId: "held-1", error: "too large", behind: 0 },
  ]);
  const [{ id }] = body.items;
  const dry = await olga().post("/v1/outbox/retry", { all: true, dryRun: true, reason: "INC-2" });
  expect(dry.body).toMatchObject({ status: "dry_run", rows: 1 });
  const done = await olga().post("/v1/outbox/retry", { ids: [id], reason: "INC-2" });
  expect(done.body).toMatchObject({ status: "retrying", ids: [id], leftOut: 0 });
  expect((await olga().get("/v1/outbox/held")).body.items).toEqual([]);
  const gone = () => db.sql`SELECT 1 FROM escrow.outbox WHERE id = 'held-1'`;
  await eventually(async () => (await gone()).length === 0, 30_000);
  const acts =
    await db.sql`SELECT asked_by, reason FROM escrow.letter_action WHERE action = 'retry'`;
  expect(acts).toEqual([{ asked_by: "app|olga", reason: "INC-2" }]);
});
