/**
 * I5: what queries read is the fold of the events. The module sees the topic, not the escrow's
 * tables: a row at version v is compared with the topic's event of that version.
 */

import { equals, fromBinary } from "@bufbuild/protobuf";
import { type Event, EventSchema } from "#gen/escrow/v1/events_pb";
import { type EscrowRecord, EscrowRecordSchema } from "#gen/escrow/v1/queries_pb";
import { EscrowStatusSchema } from "#gen/escrow/v1/types_pb";
import type { Database } from "#platform/database/database";
import type { EventLog } from "#platform/messaging/event-log";
import { checkHeldBack } from "#platform/verify/check-held-back";
import {
  type Check,
  type Finding,
  found,
  reachesBack,
  recordsOf,
  sliceSize,
} from "#platform/verify/checks";
import { topics } from "#topics";
import { checkAnswers } from "./check-answers.ts";
import { stateOf } from "./escrow-view.ts";
import { applyEvent } from "./record.ts";

export function projectionChecks(db: Database): readonly Check[] {
  return [
    async ({ log }) => [await checkViews(db, log)],
    async ({ log }) => [await checkAnswers(db, log, await passedOf(db, topics.escrowEvents.name))],
    async () => [await checkColumns(db)],
    async () => [await checkBalances(db)],
    async ({ patienceMs }) => [
      await checkHeldBack(
        db,
        { schema: "projections", table: "escrow_view", key: "escrow_id" },
        patienceMs,
      ),
    ],
  ];
}

async function checkViews(db: Database, log: EventLog): Promise<Finding> {
  const name = "each escrow view is the fold of its events";
  const topic = topics.escrowEvents.name;
  if (!reachesBack(await log.ends([topic]))) {
    return { id: "I5", name: `${name} (the topic no longer reaches back)`, checked: 0n };
  }
  // Before the views: what a consumer has passed must be in them.
  const passed = await passedOf(db, topic);
  const versions = await versionsOf(db);
  const folded = await foldTopic(log, topic, { versions, passed });
  let checked = 0n;
  const broken = (text: string) => ({ id: "I5" as const, name, checked, counterexample: text });
  const [missing] = folded.missing;
  if (missing !== undefined) return broken(`view of ${missing} is missing`);
  for (const [escrowId, version] of versions) {
    const [row] = await db.sql<{ record: Uint8Array; version: bigint }>`
      SELECT record, version FROM projections.escrow_view WHERE escrow_id = ${escrowId}`;
    checked += 1n;
    // It moved on while we read: the next run sees it.
    if (!row || row.version !== version) continue;
    const expected = folded.records.get(escrowId);
    if (!expected || !sameRecord(expected, row.record)) {
      return broken(`view of ${escrowId} at version ${version}`);
    }
  }
  return { id: "I5", name, checked };
}

async function passedOf(db: Database, topic: string): Promise<Map<number, bigint>> {
  const rows = await db.sql<{ part: number; next: bigint }>`
    SELECT part, next FROM projections.consumer_cursor
    WHERE consumer = 'projections.escrow-events' AND topic = ${topic}`;
  return new Map(rows.map(({ part, next }) => [part, next]));
}

async function versionsOf(db: Database): Promise<Map<string, bigint>> {
  const versions = new Map<string, bigint>();
  let after = "";
  for (;;) {
    const rows = await db.sql<{ escrow_id: string; version: bigint }>`
      SELECT escrow_id, version FROM projections.escrow_view
      WHERE escrow_id > ${after} ORDER BY escrow_id LIMIT ${sliceSize}`;
    for (const row of rows) versions.set(row.escrow_id, row.version);
    const last = rows.at(-1);
    if (!last) return versions;
    after = last.escrow_id;
  }
}

interface Shown {
  readonly versions: ReadonlyMap<string, bigint>;
  readonly passed: ReadonlyMap<number, bigint>;
}

interface Folded {
  readonly records: ReadonlyMap<string, EscrowRecord>;
  /** Escrows that were projected and are not shown. */
  readonly missing: ReadonlySet<string>;
}

/** Each escrow's events up to the version its row shows, folded as far as they go. */
async function foldTopic(log: EventLog, topic: string, shown: Shown): Promise<Folded> {
  const folded = new Map<string, EscrowRecord>();
  const missing = new Set<string>();
  for await (const records of recordsOf(log, topic)) {
    for (const { value, partition, offset } of records) {
      const event = eventIn(value);
      if (event === undefined) continue;
      const version = shown.versions.get(event.escrowId) ?? 0n;
      const due = offset < (shown.passed.get(partition) ?? 0n);
      if (version === 0n && due && event.version === 1n) missing.add(event.escrowId);
      if (event.version > version) continue;
      const next = attempt(() => applyEvent(folded.get(event.escrowId), event));
      if (next) folded.set(event.escrowId, next);
    }
  }
  return { records: folded, missing };
}

/** Rejections change no view; a stranger's bytes are parked. */
function eventIn(value: Uint8Array): Event | undefined {
  const event = attempt(() => fromBinary(EventSchema, value));
  return event?.body.case === undefined || event.body.case === "commandRejected"
    ? undefined
    : event;
}

/** What cannot be decoded or applied shows as a difference: damage is named, it does not end the check. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function sameRecord(a: EscrowRecord, bytes: Uint8Array): boolean {
  const b = attempt(() => fromBinary(EscrowRecordSchema, bytes));
  return (
    b !== undefined &&
    a.version === b.version &&
    a.termsHash === b.termsHash &&
    (a.status && b.status ? equals(EscrowStatusSchema, a.status, b.status) : a.status === b.status)
  );
}

/** The columns that lists filter by are the record's. */
async function checkColumns(db: Database): Promise<Finding> {
  const name = "each view's columns are its record's";
  let checked = 0n;
  let after = "";
  for (;;) {
    const rows = await db.sql<{ escrow_id: string; shown: string; record: Uint8Array }>`
      SELECT escrow_id, concat_ws(',', version, state, buyer_id, seller_id, held, released) AS shown, record
      FROM projections.escrow_view WHERE escrow_id > ${after} ORDER BY escrow_id LIMIT ${sliceSize}`;
    const last = rows.at(-1);
    if (!last) return { id: "I5", name, checked };
    for (const { escrow_id, shown, record } of rows) {
      checked += 1n;
      const expected = attempt(() => columnsOf(fromBinary(EscrowRecordSchema, record)));
      if (expected !== shown) {
        return { id: "I5", name, checked, counterexample: `columns of ${escrow_id}` };
      }
    }
    after = last.escrow_id;
  }
}

function columnsOf(record: EscrowRecord): string {
  const { version, terms, status } = record;
  const { held, released } = status?.funds ?? {};
  return [version, stateOf(record), terms?.buyerId, terms?.sellerId, held, released].join(",");
}

/** One statement, one snapshot: the sums per party are those of the views. */
async function checkBalances(db: Database): Promise<Finding> {
  const [row] = await db.sql<{ checked: bigint; wrong: string | null }>`
    WITH sums AS (
      SELECT party_id, side, currency, count(*) AS escrows, sum(held) AS held,
        sum(reserved) AS reserved, sum(released) AS released, sum(refunded) AS refunded
      FROM (
        SELECT buyer_id AS party_id, 'buyer' AS side, * FROM projections.escrow_view
        UNION ALL SELECT seller_id, 'seller', * FROM projections.escrow_view
      ) sides GROUP BY party_id, side, currency
    )
    SELECT count(*) AS checked, min(coalesce(s.party_id, b.party_id)) FILTER (
      WHERE (s.escrows, s.held, s.reserved, s.released, s.refunded)
        IS DISTINCT FROM (b.escrows, b.held::numeric, b.reserved::numeric, b.released::numeric, b.refunded::numeric)
    ) AS wrong
    FROM sums s FULL JOIN projections.party_balance b USING (party_id, side, currency)`;
  return {
    id: "I5",
    name: "each party's balances are the sums of the views",
    checked: row?.checked ?? 0n,
    ...found(row?.wrong ? `balances of ${row.wrong}` : undefined),
  };
}
