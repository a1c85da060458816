/**
 * The payments module's invariants on its own tables and topics: the books, one outcome per
 * command, nothing lost between history and topic. And its count of each escrow, for comparison.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { CommandSchema } from "#gen/payments/v1/commands_pb";
import { EventSchema, TreasuryEventSchema } from "#gen/payments/v1/events_pb";
import { WebhookReceivedSchema } from "#gen/payments/v1/webhooks_pb";
import { type Book, type BookRow, bookOf } from "#platform/books";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { EventLog, LogRecord } from "#platform/messaging/event-log";
import { positionsOf } from "#platform/messaging/positions";
import { checkEventTopic, historySlices, waitingIds } from "#platform/verify/check-events";
import { checkHeldBack } from "#platform/verify/check-held-back";
import { checkOutcomes } from "#platform/verify/check-outcomes";
import { type Check, type Finding, found, recordsOf } from "#platform/verify/checks";
import { topics } from "#topics";
import { verifyLedger } from "../ledger/verify.ts";
import { checkReconciled } from "../reconciliation/check.ts";
import { treasuryHistorySlices } from "../treasury.ts";
import { checkDisputes } from "./check-disputes.ts";
import { stuckWork } from "./stuck.ts";

export function paymentsChecks(db: Database, clock: Clock): readonly Check[] {
  return [
    async ({ patienceMs }) => [await checkNobodyAsked(db, clock, patienceMs)],
    async () => [await checkLedger(db)],
    async () => [await checkDisputes(db)],
    async () => [await checkNumbers(db)],
    async ({ log }) => [await checkCommands(db, log)],
    () => checkEffects(db),
    async ({ log }) => [await checkWebhooks(db, log)],
    ({ log }) => checkTopic(db, log),
    ({ log }) => checkTreasuryTopic(db, log),
    checkReconciled(db, clock),
    async ({ patienceMs }) => [
      await checkHeldBack(
        db,
        { schema: "payments", table: "payment", key: "escrow_id" },
        patienceMs,
      ),
    ],
  ];
}

/** The ledger's count of the named escrows' funds. */
export async function paymentBooks(db: Database, escrowIds: readonly string[]): Promise<Book[]> {
  const rows = await db.sql<BookRow>`
    SELECT escrow_id AS id, version AS seen, funded, pending, held, reserved, released, refunded,
      fees, charged_back, blocked, updated_at
    FROM payments.payment WHERE escrow_id = ANY(${escrowIds}::text[])`;
  return rows.map(bookOf);
}

export async function countBooks(db: Database): Promise<bigint> {
  const [row] = await db.sql<{ n: bigint }>`SELECT count(*) AS n FROM payments.payment`;
  return row?.n ?? 0n;
}

/** I9: no operation and no provider object waits for a person, or longer than it should. */
async function checkNobodyAsked(db: Database, clock: Clock, patienceMs: number): Promise<Finding> {
  const stuck = await stuckWork(db, clock, patienceMs);
  const name = "nothing in payments waits for a person";
  return { id: "I9", name, checked: BigInt(stuck.length), ...found(stuck[0]) };
}

async function checkLedger(db: Database): Promise<Finding> {
  const { checked, violations } = await verifyLedger(db);
  const [first] = violations;
  const text = first && `${first.check} at ${first.where}: ${first.detail}`;
  return {
    id: "I1",
    name: "the ledger balances and agrees with every escrow",
    checked,
    ...found(text),
  };
}

/** Every escrow's events are numbered 1 to n, and each ledger transaction has its event. */
async function checkNumbers(db: Database): Promise<Finding> {
  const [row] = await db.sql<{ checked: bigint; wrong: string | null }>`
    SELECT count(*) AS checked, min(p.escrow_id) FILTER (
      WHERE p.version <> h.events OR p.version <> h.last OR h.unsaid > 0) AS wrong
    FROM payments.payment p CROSS JOIN LATERAL (
      SELECT (SELECT count(*) FROM payments.history h WHERE h.escrow_no = p.escrow_no) AS events,
        (SELECT coalesce(max(version), 0) FROM payments.history h
         WHERE h.escrow_no = p.escrow_no) AS last,
        (SELECT count(*) FROM payments.ledger_transaction t
         WHERE t.escrow_no = p.escrow_no AND NOT EXISTS (
           SELECT FROM payments.history h
           WHERE h.escrow_no = t.escrow_no AND h.version = t.number)) AS unsaid
    ) h`;
  const wrong = row?.wrong ? `the events of ${row.wrong} are not numbered 1 to n` : undefined;
  const name = "payments events are contiguous";
  return { id: "I3", name, checked: row?.checked ?? 0n, ...found(wrong) };
}

function checkCommands(db: Database, log: EventLog): Promise<Finding> {
  return checkOutcomes(db, log, {
    schema: "payments",
    consumer: "payments.commands",
    topic: topics.paymentsCommands.name,
    name: "each payments command has one outcome or is parked",
    read: (value) => fromBinary(CommandSchema, value),
    async numbersOf(escrowIds) {
      const rows = await db.sql<{ escrow_id: string; escrow_no: bigint }>`
        SELECT escrow_id, escrow_no FROM payments.payment
        WHERE escrow_id = ANY(${escrowIds}::text[])`;
      return new Map(rows.map((row) => [row.escrow_id, row.escrow_no]));
    },
  });
}

/** I4: one key per attempt, bound to its bytes; over all attempts one effect in the provider's book. */
async function checkEffects(db: Database): Promise<readonly Finding[]> {
  const [twice] = await db.sql<{ checked: bigint; wrong: string | null }>`
    SELECT count(*) AS checked, min(operation_id) FILTER (WHERE effects > 1) AS wrong
    FROM (SELECT operation_id, count(*) AS effects FROM sandbox.object
          WHERE operation_id <> '' AND status <> 'failed' GROUP BY operation_id) book`;
  const [unlike] = await db.sql<{ checked: bigint; wrong: string | null }>`
    SELECT count(*) AS checked, min(o.operation_id) FILTER (
      WHERE b.amount IS DISTINCT FROM o.net OR b.currency IS DISTINCT FROM p.currency) AS wrong
    FROM payments.operation o JOIN payments.payment p USING (escrow_no)
    LEFT JOIN sandbox.object b ON b.object_id = o.object_id AND b.operation_id = o.operation_id
    WHERE o.provider = 'sandbox' AND o.state = 'SUCCEEDED' AND o.net > 0
      AND o.kind IN ('TRANSFER', 'REFUND', 'RETRANSFER')`;
  const [other] = await db.sql<{ checked: bigint; wrong: string | null }>`
    SELECT count(*) AS checked, min(a.key) FILTER (
      WHERE o.key IS NOT NULL AND o.body_hash <> a.body_hash) AS wrong
    FROM sandbox.saved_answer a LEFT JOIN payments.operation o ON o.key = a.key`;
  return [
    {
      id: "I4",
      name: "the provider's book has one effect per operation",
      checked: twice?.checked ?? 0n,
      ...found(twice?.wrong ? `operation ${twice.wrong} took effect twice` : undefined),
    },
    {
      id: "I4",
      name: "the provider's book has what we paid out",
      checked: unlike?.checked ?? 0n,
      ...found(unlike?.wrong ? `operation ${unlike.wrong} is not there as we have it` : undefined),
    },
    {
      id: "I4",
      name: "each key was sent with one body",
      checked: other?.checked ?? 0n,
      ...found(other?.wrong ? `key ${other.wrong} came with other bytes` : undefined),
    },
  ];
}

/** I6: a webhook that was acknowledged is remembered or parked. */
async function checkWebhooks(db: Database, log: EventLog): Promise<Finding> {
  const topic = topics.webhookEvents.name;
  const name = "each acknowledged webhook is remembered or parked";
  const consumer = "payments.webhooks";
  const passed = await positionsOf(db, { schema: "payments", consumer, topic });
  let checked = 0n;
  for await (const records of recordsOf(log, topic, passed)) {
    const webhooks = records.flatMap(webhookIn);
    checked += BigInt(webhooks.length);
    const [row] = await db.sql<{ wrong: string | null }>`
      SELECT min(w.id) AS wrong
      FROM unnest(${webhooks.map((w) => w.provider)}::text[],
        ${webhooks.map((w) => w.eventId)}::text[], ${webhooks.map((w) => w.partition)}::int[],
        ${webhooks.map((w) => w.offset)}::bigint[]) AS w(provider, id, part, off)
      WHERE NOT EXISTS (SELECT FROM payments.webhook k
          WHERE k.provider = w.provider AND k.event_id = w.id)
        AND NOT EXISTS (SELECT FROM payments.parked p
          WHERE p.consumer = ${consumer} AND p.part = w.part AND p.off = w.off)`;
    if (row?.wrong) return { id: "I6", name, checked, ...found(`webhook ${row.wrong} is gone`) };
  }
  return { id: "I6", name, checked };
}

function webhookIn({ value, partition, offset }: LogRecord) {
  try {
    const { provider, eventId } = fromBinary(WebhookReceivedSchema, value);
    return eventId === "" ? [] : [{ provider, eventId, partition, offset }];
  } catch {
    return [];
  }
}

function checkTopic(db: Database, log: EventLog): Promise<readonly Finding[]> {
  return checkEventTopic(log, {
    topic: topics.paymentsEvents,
    decode: (value) => fromBinary(EventSchema, value),
    versionOf: ({ version }) => version,
    history: () => historySlices(db, "payments"),
    waiting: () => waitingIds(db, "payments"),
  });
}

function checkTreasuryTopic(db: Database, log: EventLog): Promise<readonly Finding[]> {
  return checkEventTopic(log, {
    topic: topics.treasuryEvents,
    decode: (value) => fromBinary(TreasuryEventSchema, value),
    versionOf: ({ version }) => version,
    history: () => treasuryHistorySlices(db),
    waiting: () => waitingIds(db, "payments"),
  });
}
