/**
 * Every command its handler has passed has one outcome, is parked or was discarded, and no person's
 * command has an outcome that nobody sent (I2). Position first, outcome after: both were written in one
 * transaction.
 */

import { type Database, SqlName } from "../database/database.ts";
import type { EventLog, LogRecord } from "../messaging/event-log.ts";
import { positionsOf } from "../messaging/positions.ts";
import { type Finding, reachesBack, recordsOf, sliceSize } from "./checks.ts";

export interface OutcomeCheck {
  readonly schema: string;
  readonly consumer: string;
  readonly topic: string;
  readonly name: string;
  /** Undefined for bytes that are no command: they are parked as what they are. */
  readonly read: (value: Uint8Array) => { commandId: string; escrowId: string } | undefined;
  /** The internal number of each escrow that is known. */
  readonly numbersOf: (escrowIds: readonly string[]) => Promise<ReadonlyMap<string, bigint>>;
}

/** Outcomes of unknown escrows stand under this number. */
const unknownNo = 0n;

/** Outcomes first, then positions, then the topic to its end: what has an outcome is in the topic by then. */
export async function checkOutcomes(
  db: Database,
  log: EventLog,
  check: OutcomeCheck,
): Promise<Finding> {
  const { schema, consumer, topic, name } = check;
  const decided = await decidedIds(db, schema);
  const passed = await positionsOf(db, { schema, consumer, topic });
  const wholeTopic = reachesBack(await log.ends([topic]));
  let checked = 0n;
  for await (const records of recordsOf(log, topic)) {
    const commands = records.flatMap((record) => commandIn(record, check));
    for (const { commandId } of commands) decided.delete(commandId);
    const due = commands.filter(({ partition, offset }) => offset < (passed.get(partition) ?? 0n));
    checked += BigInt(due.length);
    const wrong = await notDecidedOnce(db, check, due);
    if (wrong) return { id: "I2", name, checked, counterexample: wrong };
  }
  const [invented] = wholeTopic ? decided : [];
  if (invented) return { id: "I2", name, checked, counterexample: `${invented} was never sent` };
  return { id: "I2", name, checked };
}

/** Deadlines may be decided before their command comes by: they have no fingerprint and are left out. */
async function decidedIds(db: Database, schema: string): Promise<Set<string>> {
  const ids = new Set<string>();
  let [no, after] = [-1n, ""];
  for (;;) {
    const rows = await db.sql<{ escrow_no: bigint; command_id: string; fingerprint: string }>`
      SELECT escrow_no, command_id, fingerprint FROM ${new SqlName(schema, "command_outcome")}
      WHERE (escrow_no, command_id) > (${no}::bigint, ${after})
      ORDER BY escrow_no, command_id LIMIT ${sliceSize}`;
    for (const row of rows) if (row.fingerprint !== "") ids.add(row.command_id);
    const last = rows.at(-1);
    if (!last) return ids;
    [no, after] = [last.escrow_no, last.command_id];
  }
}

interface Passed {
  readonly commandId: string;
  readonly escrowId: string;
  readonly partition: number;
  readonly offset: bigint;
}

function commandIn({ value, partition, offset }: LogRecord, { read }: OutcomeCheck): Passed[] {
  try {
    const command = read(value);
    return command?.commandId ? [{ ...command, partition, offset }] : [];
  } catch {
    return [];
  }
}

async function notDecidedOnce(
  db: Database,
  { schema, consumer, topic, numbersOf }: OutcomeCheck,
  commands: readonly Passed[],
): Promise<string | undefined> {
  const numbers = await numbersOf(commands.map(({ escrowId }) => escrowId));
  const [row] = await db.sql<{ id: string; outcomes: number }>`
    SELECT c.id, o.outcomes
    FROM unnest(${commands.map((c) => c.commandId)}::text[],
      ${commands.map((c) => numbers.get(c.escrowId) ?? unknownNo)}::bigint[],
      ${commands.map((c) => c.partition)}::int[], ${commands.map((c) => c.offset)}::bigint[])
      AS c(id, no, part, off)
    CROSS JOIN LATERAL (
      SELECT count(*)::int AS outcomes FROM ${new SqlName(schema, "command_outcome")} o
      WHERE o.escrow_no IN (${unknownNo}, c.no) AND o.command_id = c.id) o
    WHERE o.outcomes > 1 OR o.outcomes = 0
      AND NOT EXISTS (SELECT FROM ${new SqlName(schema, "parked")} p
        WHERE p.consumer = ${consumer} AND p.topic = ${topic} AND p.part = c.part
          AND p.off = c.off)
      AND NOT EXISTS (SELECT FROM ${new SqlName(schema, "letter_action")} a
        WHERE a.consumer = ${consumer} AND a.topic = ${topic} AND a.part = c.part
          AND a.off = c.off AND a.action = 'discard')
    ORDER BY c.id LIMIT 1`;
  if (row === undefined) return undefined;
  return `${row.id} has ${row.outcomes === 0 ? "no outcome" : `${row.outcomes} outcomes`}`;
}
