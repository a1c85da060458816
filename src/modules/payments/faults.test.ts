/** What the network does to us: webhooks in any order and number, answers lost, processes gone. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { RetryOperationSchema } from "#gen/payments/v1/commands_pb";
import type { Database } from "#platform/database/database";
import {
  commandFor,
  namesOf,
  type PaymentsWorld,
  refund,
  transfer,
} from "../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../test/support/payments-deals.ts";
import { verifyLedger } from "./ledger/verify.ts";
import { createSandboxProvider } from "./providers/sandbox/provider.ts";
import { sign } from "./providers/sandbox/sign.ts";
import { drainUnmatched, lockObjects } from "./recording/objects.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

let db: Database;
let world: PaymentsWorld;
let deals: Deals;

beforeAll(async () => {
  ({ db, world, deals } = await openDeals());
});
afterAll(async () => {
  const { violations } = await verifyLedger(db);
  expect(violations).toEqual([]);
  await db.close();
});

describe("webhooks", () => {
  test("F23, pitfall 24: three copies and a changed order have one effect", async () => {
    const escrowId = await deals.open({ buyerId: "eve_duplicate", sellerId: "bob_reordered" });
    await deals.pay(escrowId, { outcome: "processing" });
    await deals.pay(escrowId);
    await world.settle();
    await world.clock.advance(2_000);
    await world.settle();
    await world.handle(
      transfer(escrowId, `rel-${escrowId}`, 10_000n, { sellerId: "bob_reordered" }),
    );
    await world.settle();
    await world.clock.advance(2_000);
    await world.settle();
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", released: "9950", fees: "370" });
    const names = namesOf(await world.events(escrowId));
    expect(names.filter((name) => name === "depositReceived")).toHaveLength(1);
  });

  test("pitfall 25: a webhook before our record is kept and drained when the object is known", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, `rel-${escrowId}`));
    // The provider has the transfer and tells of it, but its answer is not recorded yet.
    const objectId = "sbx_tr_early";
    await db.sql`
      INSERT INTO sandbox.object SELECT ${objectId}, 'transfer', ${`rel-${escrowId}`}, ${escrowId},
        source_id, 'alice', 'bob', 'succeeded', 9950, 'USD', '{}', NULL, NULL, 1, created_at
      FROM sandbox.object WHERE group_id = ${escrowId} AND kind = 'payment'`;
    const body = JSON.stringify({
      id: `evt_early_${escrowId}`,
      type: "transfer.succeeded",
      created: world.clock.now().toISOString(),
      data: { objectId },
    });
    const headers = { "Sandbox-Signature": sign(body, ["whsec_test"], world.clock.wall()) };
    const answer = await world.app.request("/v1/webhooks/sandbox", {
      method: "POST",
      headers,
      body,
    });
    expect(answer.status).toBe(200);
    await world.takeWebhooks();
    const unmatched = await db.sql<{ matched: boolean }>`
      SELECT matched FROM payments.webhook WHERE object_id = ${objectId}`;
    expect(unmatched).toEqual([{ matched: false }]);
    const drained = await db.withTx(async (tx) => {
      const keys = [{ provider: "sandbox", objectId }];
      await lockObjects(tx, keys);
      return drainUnmatched(tx, keys, world.clock.now());
    });
    expect(drained).toMatchObject([{ eventId: `evt_early_${escrowId}` }]);
    await db.sql`DELETE FROM sandbox.object WHERE object_id = ${objectId}`;
    await world.settle();
    expect(await world.funds(escrowId)).toMatchObject({ released: "9950" });
  });

  test("pitfall 23: a changed byte, an old time, a future time and a wrong secret get 400", async () => {
    const body = JSON.stringify({
      id: "evt_x",
      type: "t",
      created: "2030-01-01",
      data: { objectId: "o" },
    });
    const at = (ms: number) => new Date(world.clock.wall().getTime() + ms);
    const cases: [string, string, number][] = [
      [body, sign(body, ["whsec_test"], at(0)), 200],
      [body, sign(body, ["old", "whsec_test"], at(0)), 200],
      [`${body} `, sign(body, ["whsec_test"], at(0)), 400],
      [body, sign(body, ["whsec_test"], at(-301_000)), 400],
      [body, sign(body, ["whsec_test"], at(301_000)), 400],
      [body, sign(body, ["other"], at(0)), 400],
      [body, "", 400],
    ];
    for (const [sent, signature, status] of cases) {
      const headers = { "Sandbox-Signature": signature };
      const answer = await world.app.request("/v1/webhooks/sandbox", {
        method: "POST",
        headers,
        body: sent,
      });
      expect(answer.status).toBe(status);
    }
    world.inbox.splice(0);
  });
});

describe("unknown outcomes", () => {
  test("F24, P5: a transfer whose answer was lost is asked again under its key, and happens once", async () => {
    const seller = "frank_timeout";
    const escrowId = await deals.funded({ sellerId: seller });
    await world.handle(transfer(escrowId, `rel-${escrowId}`, 10_000n, { sellerId: seller }));
    await world.worker("payments.operations.sandbox").step();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({
      state: "UNKNOWN",
      attempt: 1,
    });
    await world.settle();
    await world.clock.advance(5_000);
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({
      state: "SUCCEEDED",
      attempt: 1,
    });
    expect(await deals.transfersOf(escrowId)).toBe(1n);
    expect(await world.funds(escrowId)).toMatchObject({ released: "9950" });
  });

  test("F26, pitfall 20: a saved error is not retried blindly; absent twice, then a new key", async () => {
    const seller = "gina_broken";
    const escrowId = await deals.funded({ sellerId: seller });
    await world.handle(transfer(escrowId, `rel-${escrowId}`, 10_000n, { sellerId: seller }));
    await world.settle();
    await world.clock.advance(2_000);
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({ state: "LOOKUP", attempt: 1 });
    await world.clock.advance(14 * 60_000);
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({ state: "LOOKUP", attempt: 1 });
    await world.clock.advance(2 * 60_000);
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({
      state: "SUCCEEDED",
      attempt: 2,
    });
    expect(await deals.transfersOf(escrowId)).toBe(1n);
  });

  test("F26: a provider that is busy is asked again under the same key", async () => {
    const seller = "hugo_busy";
    const escrowId = await deals.funded({ sellerId: seller });
    await world.handle(transfer(escrowId, `rel-${escrowId}`, 10_000n, { sellerId: seller }));
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({ state: "READY" });
    for (let wait = 0; wait < 3; wait += 1) {
      await world.clock.advance(10_000);
      await world.settle();
    }
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({
      state: "SUCCEEDED",
      attempt: 1,
    });
    expect(await deals.transfersOf(escrowId)).toBe(1n);
  });

  test("crash points K8, K9: a process that died in a call leaves one effect", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, `rel-${escrowId}`));
    // Claimed, and the provider has done it; then the process is gone without a word.
    await db.sql`
      UPDATE payments.operation SET state = 'SENT', tries = 1, first_sent_at = ${world.clock.now()},
        lease_until = ${new Date(world.clock.wall().getTime() + 60_000)}
      WHERE operation_id = ${`rel-${escrowId}`}`;
    const provider = createSandboxProvider({ db, clock: world.clock, webhookSecrets: ["x"] });
    const [row] = await db.sql<{ key: string; params: Uint8Array }>`
      SELECT key, params FROM payments.operation WHERE operation_id = ${`rel-${escrowId}`}`;
    const bytes = row?.params ?? new Uint8Array();
    const request = JSON.parse(Buffer.from(bytes).toString("utf8"));
    await provider.createTransfer({ key: row?.key ?? "", bytes, request });
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({ state: "SENT" });
    await world.clock.advance(61_000);
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({
      state: "SUCCEEDED",
      attempt: 1,
    });
    expect(await deals.transfersOf(escrowId)).toBe(1n);
  });

  test("pitfall 21: after 20 hours the list is asked before any key", async () => {
    const escrowId = await deals.funded();
    await world.handle(transfer(escrowId, `rel-${escrowId}`));
    await db.sql`
      UPDATE payments.operation SET state = 'UNKNOWN', tries = 3,
        first_sent_at = ${new Date(world.clock.now().getTime() - 20 * 3_600_000)}
      WHERE operation_id = ${`rel-${escrowId}`}`;
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({ state: "LOOKUP", attempt: 1 });
    expect(await deals.transfersOf(escrowId)).toBe(0n);
    await world.clock.advance(16 * 60_000);
    await world.settle();
    expect(await deals.operation(`rel-${escrowId}`)).toMatchObject({
      state: "SUCCEEDED",
      attempt: 2,
    });
    expect(await deals.transfersOf(escrowId)).toBe(1n);
  });
});

describe("a list that lags", () => {
  test("pitfall 22: an earlier attempt's failed refund proves nothing of the one under way", async () => {
    const escrowId = await deals.funded({ buyerId: "lena_refundfails" });
    const operationId = `ref-${escrowId}`;
    await world.handle(refund(escrowId, operationId));
    await world.settle();
    expect(await deals.operation(operationId)).toMatchObject({ state: "FAILED", attempt: 1 });
    const value = create(RetryOperationSchema, { operationId });
    const operator = { actor: { id: "root", roles: ["admin"] } };
    await world.handle(commandFor(escrowId, { case: "retryOperation", value }, operator));
    // The second attempt was sent, its answer lost, its key is too old, and the list does not show it yet.
    await db.sql`
      UPDATE payments.operation SET state = 'UNKNOWN', tries = 1,
        first_sent_at = ${new Date(world.clock.now().getTime() - 20 * 3_600_000)}
      WHERE operation_id = ${operationId}`;
    await world.settle();
    expect(await deals.operation(operationId)).toMatchObject({ state: "LOOKUP", attempt: 2 });
    const links = await db.sql`
      SELECT attempt FROM payments.provider_object WHERE operation_id = ${operationId}`;
    expect(links).toEqual([{ attempt: 1 }]);
    const provider = createSandboxProvider({ db, clock: world.clock, webhookSecrets: ["x"] });
    const [row] = await db.sql<{ params: Uint8Array }>`
      SELECT params FROM payments.operation WHERE operation_id = ${operationId}`;
    const bytes = row?.params ?? new Uint8Array();
    const request = JSON.parse(Buffer.from(bytes).toString("utf8"));
    await provider.createRefund({ key: `${operationId}.2`, bytes, request });
    await world.clock.advance(16 * 60_000);
    await world.settle();
    expect(await deals.operation(operationId)).toMatchObject({ state: "SUCCEEDED", attempt: 2 });
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", refunded: "10320" });
    const made = await db.sql<{ status: string }>`
      SELECT status FROM sandbox.object WHERE operation_id = ${operationId} ORDER BY status`;
    expect(made.map(({ status }) => status)).toEqual(["failed", "succeeded"]);
  });

  /** An attempt nobody ever heard of shows up while the second one is looked for. */
  async function lateAttempt(names: { readonly buyerId: string }, status: string) {
    const escrowId = await deals.funded(names);
    const operationId = `ref-${escrowId}`;
    await world.handle(refund(escrowId, operationId));
    await db.sql`
      UPDATE payments.operation SET state = 'LOOKUP', attempt = 2, tries = 1,
        key = ${`${operationId}.2`}, first_sent_at = ${world.clock.now()}
      WHERE operation_id = ${operationId}`;
    const [row] = await db.sql<{ params: Uint8Array }>`
      SELECT params FROM payments.operation WHERE operation_id = ${operationId}`;
    const bytes = row?.params ?? new Uint8Array();
    const request = JSON.parse(Buffer.from(bytes).toString("utf8"));
    const provider = createSandboxProvider({ db, clock: world.clock, webhookSecrets: ["x"] });
    await provider.createRefund({ key: `${operationId}.1`, bytes, request });
    await db.sql`
      UPDATE sandbox.object SET status = ${status}, next_at = NULL, next_status = NULL
      WHERE operation_id = ${operationId}`;
    await world.settle();
    const found = await deals.operation(operationId);
    await world.clock.advance(16 * 60_000);
    await world.settle();
    return { escrowId, found, ended: await deals.operation(operationId) };
  }

  test("pitfall 22: a failed refund of an attempt nobody heard of is not the second one's", async () => {
    const { escrowId, found, ended } = await lateAttempt({ buyerId: "lisa" }, "failed");
    expect(found).toMatchObject({ state: "LOOKUP", attempt: 2 });
    expect(ended).toMatchObject({ state: "SUCCEEDED", attempt: 3 });
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", refunded: "10320" });
  });

  test("pitfall 21: one that took effect is waited for and taken over, not made again", async () => {
    const { escrowId, found, ended } = await lateAttempt({ buyerId: "lora" }, "succeeded");
    expect(found).toMatchObject({ state: "LOOKUP", attempt: 2 });
    expect(ended).toMatchObject({ state: "SUCCEEDED", attempt: 2 });
    expect(await world.funds(escrowId)).toEqual({ funded: "10320", refunded: "10320" });
    const made = await db.sql`
      SELECT FROM sandbox.object WHERE group_id = ${escrowId} AND kind = 'refund'`;
    expect(made).toHaveLength(1);
  });
});

describe("a seller whose account is called ready and who is refused", () => {
  /** What the escrow module does: each news that the seller is ready resumes the release. */
  async function releaseFor(escrowId: string, sellerId: string, rounds: number): Promise<number> {
    let asked = 0;
    for (let round = 0; round < rounds; round += 1) {
      const [last] = namesOf(await world.events(escrowId)).slice(-1);
      if (asked > 0 && last !== "sellerReadinessChanged") break;
      asked += 1;
      const operationId = `rel-${escrowId}-${asked}-${world.clock.now().getTime()}`;
      await world.handle(transfer(escrowId, operationId, 10_000n, { sellerId }));
      await world.settle();
    }
    return asked;
  }
  async function registered(sellerId: string): Promise<string> {
    const path = `/v1/parties/${sellerId}/payout-methods`;
    await world.call("POST", path, { as: sellerId, body: { provider: "sandbox" } });
    await world.settle();
    const [method] = await db.sql<{ account_id: string }>`
      SELECT account_id FROM payments.payout_method WHERE party_id = ${sellerId}`;
    return method?.account_id ?? "";
  }

  test("pitfall 9: waits for news of the account, although ours still called it ready", async () => {
    const sellerId = "ruth";
    const account = await registered(sellerId);
    const escrowId = await deals.funded({ sellerId });
    // The provider restricts him; the webhook that would tell of it is late.
    await db.sql`UPDATE sandbox.object SET status = 'RESTRICTED' WHERE object_id = ${account}`;
    expect(await releaseFor(escrowId, sellerId, 10)).toBe(1);
    await world.clock.advance(2_000);
    await world.settle();
    expect(namesOf(await world.events(escrowId))).not.toContain("sellerReadinessChanged");
    const body = { ready: true };
    await world.call("POST", `/sandbox/parties/${sellerId}/readiness`, { as: sellerId, body });
    await world.settle();
    expect(namesOf(await world.events(escrowId)).at(-1)).toBe("sellerReadinessChanged");
    await releaseFor(escrowId, sellerId, 1);
    expect(await world.funds(escrowId)).toMatchObject({ released: "9950" });
  });

  test("pitfall 9: a provider that says ready and refuses is asked less and less often", async () => {
    const sellerId = "lara";
    const account = await registered(sellerId);
    const escrowId = await deals.funded({ sellerId });
    // His account reads ready for ever, and every transfer is refused.
    const other = await registered("lars");
    await db.sql`DELETE FROM payments.payout_method WHERE party_id = 'lars'`;
    await db.sql`
      UPDATE payments.payout_method SET account_id = ${other} WHERE party_id = ${sellerId}`;
    await db.sql`UPDATE sandbox.object SET status = 'RESTRICTED' WHERE object_id = ${account}`;
    let asked = await releaseFor(escrowId, sellerId, 10);
    for (let second = 0; second < 60; second += 1) {
      await world.clock.advance(1_000);
      await world.settle();
      const [last] = namesOf(await world.events(escrowId)).slice(-1);
      if (last === "sellerReadinessChanged") asked += await releaseFor(escrowId, sellerId, 10);
    }
    expect(asked).toBeGreaterThan(3);
    expect(asked).toBeLessThan(9);
  });
});
