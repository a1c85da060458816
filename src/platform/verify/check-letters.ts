/**
 * I10: every message a consumer passed took effect, was a repeat, or is set aside; what is set aside
 * has its place, bytes and reason. What took effect is counted by other checks, each by its own
 * numbers (I2, I5, I7); here: nothing of a key that is held back slipped by.
 */

import { type Database, SqlName } from "../database/database.ts";
import { consumerTables } from "../messaging/consumer-tables.ts";
import type { EventLog, LogRecord } from "../messaging/event-log.ts";
import type { AnyHandler } from "../messaging/handler.ts";
import { keyOf } from "../messaging/intake.ts";
import { positionsOf } from "../messaging/positions.ts";
import { type Finding, found, sliceSize } from "./checks.ts";

export interface LetterCheck {
  readonly schema: string;
  readonly handler: AnyHandler;
}

interface Parked {
  readonly part: number;
  readonly off: bigint;
  readonly key: string;
  readonly value: Uint8Array;
  readonly cause: string;
  readonly blocked: boolean;
}

/** Within one batch a repeat is dropped; a batch is never longer than this. */
const batchReach = 1_000n;

export async function checkLetters(
  db: Database,
  log: EventLog,
  check: LetterCheck,
): Promise<Finding> {
  const { name, topic } = check.handler;
  const lows = new Map((await log.ends([topic.name])).map((e) => [e.partition, e.low]));
  const firsts = new Map<number, bigint>();
  let checked = 0n;
  let wrong: string | undefined;
  for await (const rows of parkedIn(db, check)) {
    // Read after the rows: a position never lies before what was set aside.
    const positions = await positionsOf(db, {
      schema: check.schema,
      consumer: name,
      topic: topic.name,
    });
    for (const row of rows) {
      checked += 1n;
      if (!firsts.has(row.part)) firsts.set(row.part, row.off);
      const kept = row.off >= (lows.get(row.part) ?? 0n);
      const [record] = kept ? await log.read(topic.name, row.part, row.off, 1) : [];
      wrong ??= wrongWith(row, { check, record: kept ? record : undefined, kept, positions });
    }
  }
  if (check.handler.order !== "none") {
    for (const [partition, first] of firsts) {
      const from = first - batchReach > 0n ? first - batchReach : 0n;
      const low = lows.get(partition) ?? 0n;
      wrong ??= await slippedBy(db, log, check, { partition, from: from > low ? from : low });
    }
  }
  return {
    id: "I10",
    name: `what ${name} set aside is all there`,
    checked,
    ...found(wrong),
  };
}

async function* parkedIn(db: Database, { schema, handler: { name, topic } }: LetterCheck) {
  const { parked, blockedKey } = consumerTables(schema);
  let [part, off] = [-1, -1n];
  for (;;) {
    const rows = await db.sql<Parked>`
      SELECT part, off, key, value, cause, EXISTS (
        SELECT FROM ${blockedKey} b WHERE b.consumer = p.consumer AND b.key = p.key) AS blocked
      FROM ${parked} p
      WHERE consumer = ${name} AND topic = ${topic.name}
        AND (part, off) > (${part}::int, ${off}::bigint)
      ORDER BY part, off LIMIT ${sliceSize}`;
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    [part, off] = [last.part, last.off];
  }
}

interface Seen {
  readonly check: LetterCheck;
  /** As the log has it, where it still reaches back so far. */
  readonly record: LogRecord | undefined;
  readonly kept: boolean;
  readonly positions: ReadonlyMap<number, bigint>;
}

function wrongWith(row: Parked, { check, record, kept, positions }: Seen): string | undefined {
  const { name, topic, order } = check.handler;
  const at = `${name} at ${topic.name}/${row.part}@${row.off}`;
  if (row.off >= (positions.get(row.part) ?? 0n)) return `${at}: set aside, and not passed`;
  if (row.cause === "") return `${at}: set aside without a reason`;
  if (order !== "none" && !row.blocked) return `${at}: its key ${row.key} is not held back`;
  if (!kept) return undefined;
  if (record?.offset !== row.off) return `${at}: the log has no such message`;
  const same = keyOf(record) === row.key && Buffer.from(record.value).equals(row.value);
  return same ? undefined : `${at}: not the message the log has there`;
}

interface Reach {
  readonly partition: number;
  readonly from: bigint;
}

/** A message behind one that is set aside, of the same key, that is neither there nor was discarded. */
async function slippedBy(
  db: Database,
  log: EventLog,
  check: LetterCheck,
  { partition, from }: Reach,
): Promise<string | undefined> {
  const { schema, handler } = check;
  const { name, topic } = handler;
  const where = { schema, consumer: name, topic: topic.name };
  const next = (await positionsOf(db, where)).get(partition) ?? 0n;
  const blocked = new Set(
    (
      await db.sql<{ key: string }>`
        SELECT key FROM ${consumerTables(schema).blockedKey} WHERE consumer = ${name}`
    ).map(({ key }) => key),
  );
  const ids = new Set<string>();
  for (let at = from; at < next; ) {
    const read = await log.read(topic.name, partition, at, sliceSize);
    const records = read.filter(({ offset }) => offset < next);
    const last = records.at(-1);
    if (last === undefined) return undefined;
    const own = records.filter((record) => blocked.has(keyOf(record)) && isFirst(record, ids));
    const missing = await firstMissing(db, check, partition, own);
    if (missing !== undefined)
      return `${name} at ${topic.name}/${partition}@${missing}: slipped by`;
    at = last.offset + 1n;
  }
  return undefined;
}

/** By the header's id: whoever repeats a message repeats that. */
function isFirst({ key, headers }: LogRecord, ids: Set<string>): boolean {
  const id = headers["message-id"];
  if (id === undefined) return true;
  const known = ids.has(`${key} ${id}`);
  ids.add(`${key} ${id}`);
  return !known;
}

/** One statement, one snapshot: what an operator replays meanwhile goes in order, and is not missed. */
async function firstMissing(
  db: Database,
  { schema, handler: { name, topic } }: LetterCheck,
  partition: number,
  records: readonly LogRecord[],
): Promise<bigint | undefined> {
  if (records.length === 0) return undefined;
  const { parked } = consumerTables(schema);
  const [row] = await db.sql<{ off: bigint }>`
    SELECT m.off FROM unnest(${records.map(({ offset }) => offset)}::bigint[],
      ${records.map(keyOf)}::text[]) AS m(off, key)
    WHERE EXISTS (SELECT FROM ${parked} p WHERE p.consumer = ${name} AND p.topic = ${topic.name}
        AND p.part = ${partition} AND p.key = m.key AND p.off < m.off)
      AND NOT EXISTS (SELECT FROM ${parked} p WHERE p.consumer = ${name}
        AND p.topic = ${topic.name} AND p.part = ${partition} AND p.off = m.off)
      AND NOT EXISTS (SELECT FROM ${new SqlName(schema, "letter_action")} a
        WHERE a.consumer = ${name} AND a.topic = ${topic.name} AND a.part = ${partition}
          AND a.off = m.off AND a.action = 'discard')
    ORDER BY m.off LIMIT 1`;
  return row?.off;
}
