/**
 * What may not be thrown away, and by whom the rest may: a message that its escrow waits for is mended
 * and replayed; a discard of two people is theirs for a day, and done once.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type DiscardLetters,
  DiscardLettersSchema,
  OperatorRequestSchema,
} from "#gen/platform/v1/operations_pb";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { eventually } from "../support/logs.ts";
import { acceptedEscrow, fundedEscrow, pay } from "../support/sale.ts";

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
const now = { wait: false };

async function letterOf(consumer: string, key: string) {
  const found = async () =>
    (await olga().get(`/v1/dead-letters?consumer=${consumer}&key=${key}`)).body.items;
  await eventually(async () => (await found()).length === 1, 30_000);
  return (await found())[0];
}

/** Until it is mended, the database refuses to change what is in `table` of this escrow. */
async function fault(table: string, escrowId: string, column = "escrow_id") {
  const db = stores.databases.platform;
  const [schema] = table.split(".");
  await db.script(`
    CREATE OR REPLACE FUNCTION ${schema}.fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'a fault' USING ERRCODE = '23514'; END $$;
    CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW
      WHEN (NEW.${column} = '${escrowId}') EXECUTE FUNCTION ${schema}.fault()`);
  return () => db.script(`DROP TRIGGER fault ON ${table}`);
}

async function expectRefused(id: string, key: string) {
  for (const wish of [
    { ids: [id], reason: "INC-1" },
    { ids: [id], reason: "INC-1", dryRun: true },
    { filter: { key }, reason: "INC-1" },
  ]) {
    const { status, body } = await olga().post("/v1/dead-letters/discard", wish);
    expect({ status, code: body.code }).toEqual({ status: 409, code: "LETTER_INDISPENSABLE" });
    expect(body.detail).toContain("replay");
    expect(body.detail).toContain(id);
  }
  const { body: shown } = await olga().get(`/v1/dead-letters/${id}`);
  expect(shown.discardRefused).toContain("replay");
}

async function asked(approvalId: string, value: DiscardLetters) {
  const body = { case: "discardLetters", value } as const;
  const wish = toBinary(OperatorRequestSchema, create(OperatorRequestSchema, { body }));
  await stores.databases.platform.sql`
    INSERT INTO access.approval (id, escrow_id, fingerprint, command, asked_by)
    VALUES (${approvalId}, '', '', ${wish}, 'app|olga')`;
}

async function replay(id: string) {
  const { body } = await olga().post("/v1/dead-letters/replay", { ids: [id], reason: "mended" });
  expect(body.letters).toBe(1);
}

test("a fact of its payment that an escrow waits for is not discarded, and the replay brings it on", async () => {
  const sale = await acceptedEscrow(app);
  const mend = await fault("escrow.escrow", sale.escrowId, "id");
  await pay(sale);
  const { id } = await letterOf("escrow.payments-events", sale.escrowId);
  await expectRefused(id, sale.escrowId);
  // Two operators do not change it: one asked before this was refused.
  await asked("apr_before", create(DiscardLettersSchema, { ids: [id], reason: "INC-0" }));
  expect(await otto().post("/v1/approvals/apr_before/approve")).toMatchObject({
    status: 409,
    body: { code: "LETTER_INDISPENSABLE" },
  });
  // Approved, and not done: it says so for as long as it can be approved again.
  expect((await olga().get("/v1/approvals")).body.approvals).toMatchObject([
    { approvalId: "apr_before", approvedBy: "otto", expiresAt: expect.any(String) },
  ]);
  await mend();
  await replay(id);
  await eventually(async () => {
    const { body } = await sale.alice.get(`/v1/escrows/${sale.escrowId}`);
    return body.state === "FUNDS_HELD";
  }, 30_000);
});

test("what the escrow asks of payments is asked once, and not discarded", async () => {
  const { escrowId, alice } = await fundedEscrow(app);
  const mend = await fault("payments.payment", escrowId);
  await alice.post(`/v1/escrows/${escrowId}/release`, {}, now);
  const { id } = await letterOf("payments.commands", escrowId);
  await expectRefused(id, escrowId);
  await mend();
  await replay(id);
  await eventually(async () => {
    const { body } = await alice.get(`/v1/escrows/${escrowId}`);
    return body.state === "RELEASED";
  }, 30_000);
});

test("an event that readers count is not discarded, though no money depends on them", async () => {
  const { escrowId, bob } = await fundedEscrow(app);
  const mend = await fault("projections.escrow_view", escrowId);
  await bob.post(`/v1/escrows/${escrowId}/deliver`, { note: "sent" }, now);
  const { id } = await letterOf("projections.escrow-events", escrowId);
  await expectRefused(id, escrowId);
  await mend();
  await replay(id);
});

test("a person's command may go, by two people, for the person can ask again; a deadline's may not", async () => {
  const { escrowId, bob } = await fundedEscrow(app);
  const mend = await fault("escrow.escrow", escrowId, "id");
  await bob.post(`/v1/escrows/${escrowId}/deliver`, { note: "sent" }, now);
  const { id } = await letterOf("escrow.commands", escrowId);
  const shell = app.as("unproven:deploy@box:says:ann", "admin");
  const unproven = await shell.post("/v1/dead-letters/discard", { ids: [id], reason: "INC-3" });
  expect(unproven).toMatchObject({ status: 403, body: { code: "APPROVAL_REQUIRED" } });
  const asked = await olga().post("/v1/dead-letters/discard", { ids: [id], reason: "INC-3" });
  expect(asked).toMatchObject({ status: 202, body: { status: "awaiting_approval" } });
  const gone = await otto().post(`/v1/approvals/${asked.body.approvalId}/approve`);
  expect(gone).toMatchObject({ status: 200, body: { status: "discarded", ids: [id] } });
  await mend();
  // Given up by two people is no command lost.
  const { checks } = await app.server.application.verify();
  expect(checks.filter(({ id, ok }) => id === "I2" && !ok)).toEqual([]);
  expect((await bob.post(`/v1/escrows/${escrowId}/deliver`, { note: "sent" })).status).toBe(200);

  const again = await fault("escrow.escrow", escrowId, "id");
  await olga().post("/sandbox/clock/advance", { by: "P30D" });
  const deadline = await letterOf("escrow.commands", escrowId);
  await expectRefused(deadline.id, escrowId);
  await again();
  await replay(deadline.id);
  await app.settle();
});

test("a webhook's letter is of the party whose payment the provider's object is", async () => {
  const { escrowId } = await fundedEscrow(app);
  const [object] = await stores.databases.payments.sql<{ object_id: string }>`
    SELECT object_id FROM payments.provider_object WHERE escrow_id = ${escrowId} LIMIT 1`;
  const key = object?.object_id ?? "";
  const producer = app.server.log.createProducer();
  await producer.send([
    { topic: "webhook.events.v1", key, value: Buffer.from([0xff]), headers: {} },
  ]);
  await producer.close();
  const { id } = await letterOf("payments.webhooks", key);
  const wish = { ids: [id], reason: "INC-4" };
  for (const party of ["alice", "bob"]) {
    const refused = await app.as(party, "admin").post("/v1/dead-letters/discard", wish);
    expect(refused).toMatchObject({ status: 403, body: { code: "ROLE_REQUIRED" } });
  }
  const asked = await olga().post("/v1/dead-letters/discard", wish);
  const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
  expect((await app.as("bob", "admin").post(approve)).status).toBe(403);

  // Nobody else within a day: it is asked again, or not at all.
  await app.advance("P1D");
  expect(await otto().post(approve)).toMatchObject({
    status: 409,
    body: { code: "APPROVAL_EXPIRED" },
  });
  expect((await olga().get("/v1/approvals")).body.approvals).toEqual([]);
  expect((await letterOf("payments.webhooks", key)).id).toBe(id);
});
