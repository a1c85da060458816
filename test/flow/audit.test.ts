import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { AuditReport } from "#platform/audit";
import type { Database } from "#platform/database/database";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { eventually } from "../support/logs.ts";
import { fundedEscrow } from "../support/sale.ts";

setDefaultTimeout(60_000);

let stores: Stores;
let app: TestApp;
let db: Database;

beforeAll(async () => {
  stores = await memoryStores();
  app = await startAppOn(stores);
  db = stores.databases.payments;
  const { alice, escrowId } = await fundedEscrow(app);
  await alice.post(`/v1/escrows/${escrowId}/release`);
  await app.settle();
  await app.as("bob", "seller").post("/v1/parties/bob/payout-methods", { provider: "sandbox" });
  const path = `/v1/escrows/${escrowId}/release`;
  await alice.post(path);
  await app.as("olga", "admin").post("/v1/providers/sandbox/stop", { reason: "a drill" });
  await app.as("olga", "admin").post("/v1/providers/sandbox/resume", { reason: "it is over" });
  await eventually(async () => (await logs()).every(({ waiting }) => waiting === 0));
});
afterAll(async () => {
  await app.stop();
});

async function logs(): Promise<readonly AuditReport[]> {
  const answer = await app.as("audrey", "auditor").post("/v1/operations/audit");
  expect(answer.status).toBe(200);
  return answer.body.logs;
}

const brokenIn = async (log: string) => (await logs()).find((report) => report.log === log)?.broken;

/** Behind the program's back, all guards asleep; `undo` puts it back as it was. */
async function tampered(sql: string, undo: string, look: () => Promise<void>): Promise<void> {
  const asleep = (text: string) =>
    db.withTx(async (tx) => {
      await tx.script("SET LOCAL session_replication_role = replica");
      await tx.script(text);
    });
  await asleep(sql);
  await look();
  await asleep(undo);
}

describe("A3: the audit log", () => {
  test("commands, decisions, calls, webhooks and operators' acts are chained, and nothing is broken", async () => {
    const reports = await logs();
    expect(reports.map(({ log, broken }) => [log, broken])).toEqual([
      ["escrow", undefined],
      ["payments", undefined],
    ]);
    expect(reports.every(({ links, rows }) => links > 0 && rows > 5)).toBe(true);
    const kinds = await db.sql<{ source: string }>`
      SELECT DISTINCT unnest(sources) AS source FROM payments.audit_link ORDER BY source`;
    expect(kinds.map(({ source }) => source)).toEqual([
      "approval",
      "command_outcome",
      "history",
      "ledger",
      "payout_change",
      "treasury_history",
      "webhook",
    ]);
  });

  const someRow = "(escrow_no, version) = (SELECT min(escrow_no), 3 FROM escrow.history)";
  const someLink = "seq = (SELECT min(seq) FROM payments.audit_link)";
  const cases: readonly (readonly [string, string, string, string, RegExp])[] = [
    [
      "one byte of one row",
      `UPDATE escrow.history SET payload = set_byte(payload, 9, get_byte(payload, 9) # 1) WHERE ${someRow}`,
      `UPDATE escrow.history SET payload = set_byte(payload, 9, get_byte(payload, 9) # 1) WHERE ${someRow}`,
      "escrow",
      /^link \d+: row history \d+\/3 was changed$/,
    ],
    [
      "an amount of the ledger, balanced",
      "UPDATE payments.entry SET amount = amount * 2 WHERE number = (SELECT min(number) FROM payments.entry)",
      "UPDATE payments.entry SET amount = amount / 2 WHERE number = (SELECT min(number) FROM payments.entry)",
      "payments",
      /row ledger \d+\/\d+ was changed$/,
    ],
    [
      "where a seller's money was to go",
      "UPDATE payments.payout_change SET account_id = reverse(account_id)",
      "UPDATE payments.payout_change SET account_id = reverse(account_id)",
      "payments",
      /row payout_change \d+ was changed$/,
    ],
    [
      "a row that is gone",
      "CREATE TABLE gone AS SELECT * FROM payments.webhook LIMIT 1; DELETE FROM payments.webhook WHERE event_id = (SELECT event_id FROM gone)",
      "INSERT INTO payments.webhook SELECT * FROM gone",
      "payments",
      /row webhook sandbox\/\S+ is gone$/,
    ],
    [
      "a row put in between",
      "INSERT INTO payments.command_outcome SELECT 0, 'forged', escrow_id, type, status, code, fingerprint, at FROM payments.command_outcome LIMIT 1",
      "DELETE FROM payments.command_outcome WHERE command_id = 'forged'",
      "payments",
      /^1 rows of command_outcome are in no link$/,
    ],
    [
      "a link's own hash",
      `UPDATE payments.audit_link SET hash = reverse(hash) WHERE ${someLink}`,
      `UPDATE payments.audit_link SET hash = reverse(hash) WHERE ${someLink}`,
      "payments",
      /^link 1: its hash does not follow$/,
    ],
    [
      "a row and its hash in the link",
      `UPDATE payments.audit_link SET rows[1] = 'x' || rows[1] WHERE ${someLink}`,
      `UPDATE payments.audit_link SET rows[1] = substr(rows[1], 2) WHERE ${someLink}`,
      "payments",
      /^link 1: its hash does not follow$/,
    ],
    [
      "the end of the chain",
      "CREATE TABLE cut AS SELECT * FROM payments.audit_link ORDER BY seq DESC LIMIT 1; DELETE FROM payments.audit_link WHERE seq = (SELECT seq FROM cut)",
      "INSERT INTO payments.audit_link SELECT * FROM cut",
      "payments",
      /^link \d+ is gone$/,
    ],
  ];

  test.each([...cases])("%s is found by name", async (_, damage, undo, log, expected) => {
    await tampered(damage, undo, async () => {
      expect(await brokenIn(log)).toMatch(expected);
    });
    expect(await brokenIn(log)).toBeUndefined();
  });
});
