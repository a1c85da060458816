import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { TreasuryEventSchema } from "#gen/payments/v1/events_pb";
import { mintToken } from "../../src/platform/http/token.ts";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp, testConfig } from "../support/app.ts";
import { fundedEscrow, type Sale } from "../support/sale.ts";

setDefaultTimeout(120_000);

let stores: Stores;
let app: TestApp;

beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
});
afterAll(async () => {
  await app.stop();
});

/** No deadline of the deal's own comes before the provider's limit. */
const patient = { deliveryDeadline: "P300D", autoRelease: "P300D", arbiterDeadline: "P300D" };

async function stateOf({ alice, escrowId }: Sale): Promise<string> {
  return (await alice.get(`/v1/escrows/${escrowId}`)).body.state;
}

async function listed(): Promise<{ escrowId: string; forced: boolean }[]> {
  const answer = await app.as("audrey", "auditor").get("/v1/holdings");
  expect(answer.status).toBe(200);
  return answer.body.items;
}

async function alerts(): Promise<string[]> {
  const rows = await stores.databases.payments.sql<{ payload: Uint8Array }>`
    SELECT payload FROM payments.treasury_history ORDER BY subject, version`;
  return rows.flatMap(({ payload }) => {
    const { body } = fromBinary(TreasuryEventSchema, payload);
    return body.case === "holdingLimitNear" ? [body.value.escrowId] : [];
  });
}

test("C5, pitfall 8: told a fortnight before the provider's limit, decided by the terms at it", async () => {
  const undelivered = await fundedEscrow(app, { terms: patient });
  const delivered = await fundedEscrow(app, { terms: patient });
  await delivered.bob.post(`/v1/escrows/${delivered.escrowId}/deliver`);
  const disputed = await fundedEscrow(app, { terms: { ...patient, defaultOutcome: "RELEASE" } });
  await disputed.alice.post(`/v1/escrows/${disputed.escrowId}/dispute`, { reason: "late" });
  const american = await fundedEscrow(app, { terms: patient, sellerId: "carl" });
  const thai = await fundedEscrow(app, { terms: patient, sellerId: "tida" });
  await app.advance("P5D");
  expect(await listed()).toEqual([]);

  const countries = { carl: "US", tida: "TH" };
  for (const [party, country] of Object.entries(countries)) {
    const answer = await fetch(`${app.url}/v1/parties/${party}`, {
      method: "PUT",
      headers: await headersOf(party),
      body: JSON.stringify({ country }),
    });
    expect(answer.status).toBe(200);
  }
  await app.settle();
  expect(await listed()).toMatchObject([{ escrowId: thai.escrowId, forced: false }]);
  await app.advance("P5D");
  expect(await stateOf(thai)).toBe("REFUNDED");
  expect(await listed()).toEqual([]);

  await app.advance("P65D");
  expect(await alerts()).toEqual([thai.escrowId]);
  await app.advance("P2D");
  const near = [undelivered, delivered, disputed].map(({ escrowId }) => escrowId);
  expect((await listed()).map(({ escrowId }) => escrowId).sort()).toEqual([...near].sort());
  expect((await alerts()).sort()).toEqual([thai.escrowId, ...near].sort());
  expect(await stateOf(undelivered)).toBe("FUNDS_HELD");

  await app.advance("P14D");
  expect(await stateOf(undelivered)).toBe("REFUNDED");
  expect(await stateOf(delivered)).toBe("RELEASED");
  expect(await stateOf(disputed)).toBe("RELEASED");
  expect(await stateOf(american)).toBe("FUNDS_HELD");
  expect(await listed()).toEqual([]);
  const report = await app.server.application.verify();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

test("pitfall 29: what a bank's dispute holds stays where it is, and on the list", async () => {
  const sale = await fundedEscrow(app, { terms: patient });
  const { paymentId } = (await sale.alice.get(`/v1/escrows/${sale.escrowId}/payment`)).body;
  const dispute = `/sandbox/payments/${paymentId}/dispute`;
  expect((await app.as("root", "admin").post(dispute, { amount: "4000" })).status).toBe(202);
  await app.settle();
  await app.advance("P91D");
  expect(await stateOf(sale)).toBe("FROZEN");
  expect(await listed()).toMatchObject([{ escrowId: sale.escrowId, forced: true }]);
});

async function headersOf(subject: string): Promise<Record<string, string>> {
  const token = await mintToken({
    secret: new TextEncoder().encode(testConfig().JWT_SECRET ?? ""),
    sub: subject,
    roles: ["seller"],
    issuer: "app",
    audience: "app",
    ttl: 600,
  });
  return { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
}
