/**
 * The payments module's invariants on its own tables and topics: the books, one outcome per
 * command, nothing lost between history and topic. And its count of each escrow, for comparison.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { CommandSchema } from "#gen/payments/v1/commands_pb";
import { EventSchema } from "#gen/payments/v1/events_pb";
import { type Book, type BookRow, bookOf } from "#platform/books";
import {
  type Check,
  checkEventTopic,
  type Finding,
  found,
  recordsOf,
  sliceSize,
} from "#platform/checks";
import type { Database } from "#platform/database";
import type { EventLog, LogRecord } from "#platform/messaging/event-log";
import { topics } from "#topics";
import { verifyLedger } from "./ledger/verify.ts";

export function paymentsChecks(db: Database): readonly Check[] {
  return [
    async () => [await checkLedger(db)],
    async () => [await checkNumbers(db)],
    async ({ log }) => [await checkOutcomes(db, log)],
    ({ log }) => checkTopic(db, log),
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

async function checkOutcomes(db: Database, log: EventLog): Promise<Finding> {
  const positions = await db.sql<{ part: number; next: bigint }>`
    SELECT part, next FROM payments.consumer_cursor
    WHERE consumer = 'payments.commands' AND topic = ${topics.paymentsCommands.name}`;
  const upTo = new Map(positions.map(({ part, next }) => [part, next]));
  const name = "each payments command has one outcome or is parked";
  let checked = 0n;
  for await (const records of recordsOf(log, topics.paymentsCommands.name, upTo)) {
    const commands = records.flatMap(commandIn);
    checked += BigInt(commands.length);
    const [row] = await db.sql<{ wrong: string | null }>`
      SELECT min(c.id) AS wrong
      FROM unnest(${commands.map((c) => c.commandId)}::text[],
        ${commands.map((c) => c.escrowId)}::text[], ${commands.map((c) => c.partition)}::int[],
        ${commands.map((c) => c.offset)}::bigint[]) AS c(id, escrow_id, part, off)
      LEFT JOIN payments.payment p ON p.escrow_id = c.escrow_id
      WHERE NOT EXISTS (SELECT FROM payments.command_outcome o
          WHERE o.escrow_no IN (0, p.escrow_no) AND o.command_id = c.id)
        AND NOT EXISTS (SELECT FROM payments.parked k
          WHERE k.consumer = 'payments.commands' AND k.part = c.part AND k.off = c.off)`;
    if (row?.wrong) return { id: "I2", name, checked, ...found(`${row.wrong} has no outcome`) };
  }
  return { id: "I2", name, checked };
}

/** Undecodable bytes have no command id; they are parked as what they are. */
function commandIn({ value, partition, offset }: LogRecord) {
  try {
    const { commandId, escrowId } = fromBinary(CommandSchema, value);
    return commandId === "" ? [] : [{ commandId, escrowId, partition, offset }];
  } catch {
    return [];
  }
}

function checkTopic(db: Database, log: EventLog): Promise<readonly Finding[]> {
  return checkEventTopic(log, {
    topic: topics.paymentsEvents,
    decode: (value) => fromBinary(EventSchema, value),
    versionOf: ({ version }) => version,
    history: () => historySlices(db),
    waiting: () => waitingIds(db),
  });
}

async function* historySlices(db: Database) {
  let [no, version] = [0n, 0n];
  for (;;) {
    const rows = await db.sql<{
      escrow_no: bigint;
      version: bigint;
      id: string;
      payload: Uint8Array;
    }>`
      SELECT escrow_no, version, event_id AS id, payload FROM payments.history
      WHERE (escrow_no, version) > (${no}::bigint, ${version}::bigint)
      ORDER BY escrow_no, version LIMIT ${sliceSize}`;
    const last = rows.at(-1);
    if (!last) return;
    yield rows;
    [no, version] = [last.escrow_no, last.version];
  }
}

async function waitingIds(db: Database): Promise<ReadonlySet<string>> {
  const rows = await db.sql<{ id: string }>`
    SELECT id FROM payments.outbox UNION ALL SELECT id FROM payments.outbox_held`;
  return new Set(rows.map(({ id }) => id));
}
