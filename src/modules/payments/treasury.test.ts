import { afterEach, beforeEach, expect, test } from "bun:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { ProviderStoppedSchema, TreasuryEventSchema } from "#gen/payments/v1/events_pb";
import type { Database } from "#platform/database/database";
import { openPaymentsDatabase } from "../../../test/support/payments.ts";
import { sayToTreasury, type TreasuryNotice } from "./treasury.ts";

let db: Database;
const now = new Date("2026-01-01T00:00:00Z");
const notice = (subject: string, reason: string): TreasuryNotice => ({
  subject,
  body: { case: "providerStopped", value: create(ProviderStoppedSchema, { reason }) },
  cause: { correlationId: "corr", causationId: reason },
});
const say = (...notices: readonly TreasuryNotice[]) =>
  db.withTx((tx) => sayToTreasury(tx, notices, now));

beforeEach(async () => {
  db = await openPaymentsDatabase();
});
afterEach(async () => {
  await db.close();
});

test("each subject's notices are numbered without a gap, across transactions and subjects", async () => {
  await say(notice("bob", "a"), notice("sandbox", "b"), notice("bob", "c"));
  const said = await say(notice("sandbox", "d"), notice("bob", "e"));
  expect(said.map(({ topic }) => topic.name)).toEqual(["treasury.events.v1", "treasury.events.v1"]);
  const rows = await db.sql<{ subject: string; version: bigint; payload: Uint8Array }>`
    SELECT subject, version, payload FROM payments.treasury_history ORDER BY subject, version`;
  const told = rows.map(({ subject, version, payload }) => {
    const { body } = fromBinary(TreasuryEventSchema, payload);
    return `${subject} ${version} ${body.case === "providerStopped" ? body.value.reason : ""}`;
  });
  expect(told).toEqual(["bob 1 a", "bob 2 c", "bob 3 e", "sandbox 1 b", "sandbox 2 d"]);
});

test("what was rolled back leaves no number behind", async () => {
  const failing = db.withTx(async (tx) => {
    await sayToTreasury(tx, [notice("bob", "a")], now);
    throw new Error("not this time");
  });
  expect(failing).rejects.toThrow("not this time");
  await failing.catch(() => undefined);
  const [said] = await say(notice("bob", "b"));
  expect(said?.message).toMatchObject({ version: 1n });
});
