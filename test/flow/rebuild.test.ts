import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { createEscrow, fundedEscrow } from "../support/sale.ts";

let stores: Stores;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(() => app.stop());

async function readModels() {
  const { projections } = stores.databases;
  return {
    views: await projections.sql`SELECT * FROM projections.escrow_view ORDER BY escrow_id`,
    outcomes: await projections.sql`SELECT * FROM projections.command_outcome ORDER BY command_id`,
    timeline: await projections.sql`
      SELECT * FROM projections.timeline ORDER BY escrow_id, kind, id`,
    balances: await projections.sql`
      SELECT * FROM projections.party_balance ORDER BY party_id, side, currency`,
  };
}

test("K9: the read models are made anew from the topics, while commands go on", async () => {
  const { escrowId, alice } = await fundedEscrow(app);
  await alice.post(`/v1/escrows/${escrowId}/release`, { amount: "1000" });
  await alice.post(`/v1/escrows/${escrowId}/refund`);
  await app.settle();
  const before = await readModels();
  expect(before.views).toHaveLength(1);

  const { projections } = stores.databases;
  await projections.sql`UPDATE projections.escrow_view SET state = 'RELEASED', held = 1`;
  await projections.sql`DELETE FROM projections.timeline`;
  expect((await app.server.application.verify()).ok).toBe(false);
  const rebuilt = app.server.application.rebuild();
  const meanwhile = await createEscrow(app);
  await rebuilt;
  await app.settle();

  const after = await readModels();
  const known = <R extends object>(rows: R[]) =>
    rows.filter((row) => !JSON.stringify(row, bigints).includes(meanwhile.escrowId));
  expect(known(after.views)).toEqual(before.views);
  expect(known(after.timeline)).toEqual(before.timeline);
  expect(known(after.outcomes)).toEqual(before.outcomes);
  expect((await alice.get(`/v1/escrows/${meanwhile.escrowId}`)).body.state).toBe("PROPOSED");
  const report = await app.server.application.verify();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

/** Everything that leaves a trace at a provider, or comes from one. */
async function effects() {
  return stores.databases.payments.sql`
    SELECT (SELECT sum(tries) FROM payments.operation) AS calls,
      (SELECT count(*) FROM sandbox.object) AS objects,
      (SELECT count(*) FROM payments.webhook) AS webhooks,
      (SELECT count(*) FROM payments.history) AS said`;
}

test("pitfall 46: rebuilding twice arrives at the same place, and nobody outside hears of it", async () => {
  const before = await effects();
  await app.server.application.rebuild();
  const once = await readModels();
  await app.server.application.rebuild();
  expect(await readModels()).toEqual(once);
  await app.settle();
  expect(await effects()).toEqual(before);
  const { escrowId, alice } = await createEscrow(app);
  expect((await alice.get(`/v1/escrows/${escrowId}`)).status).toBe(200);
});

test("a message nobody can read is left out with its key; the others are made anew", async () => {
  const producer = app.server.log.createProducer();
  const { escrowId } = await createEscrow(app);
  const value = new Uint8Array([255, 255]);
  await producer.send([{ topic: "escrow.events.v1", key: escrowId, value, headers: {} }]);
  await producer.close();
  const { alice, escrowId: other } = await createEscrow(app);
  const { setAside } = await app.server.application.rebuild();
  expect(setAside).toBe(1);
  expect((await alice.get(`/v1/escrows/${other}`)).status).toBe(200);
  expect((await alice.get(`/v1/escrows/${escrowId}`)).status).toBe(200);
});

function bigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
