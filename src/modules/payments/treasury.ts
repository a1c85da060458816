/**
 * Says on treasury.events.v1 what concerns a party or a provider and no single escrow. Invariant: a
 * subject's events are numbered 1, 2, 3 …: its row is locked until the caller commits, and the
 * history keeps what the topic will hold.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type TreasuryEvent, TreasuryEventSchema } from "#gen/payments/v1/events_pb";
import { generateEventId, hashFields } from "#kernel/ids";
import type { Database, Tx } from "#platform/database/database";
import { encodeBytes } from "#platform/database/statement";
import type { Outgoing } from "#platform/messaging/handler";
import { sliceSize } from "#platform/verify/checks";
import { topics } from "#topics";
import type { Cause } from "./cause.ts";
import { insertRows } from "./insert-rows.ts";

export interface TreasuryNotice {
  /** A party's id or a provider's name. */
  readonly subject: string;
  readonly body: Exclude<TreasuryEvent["body"], { case: undefined }>;
  readonly cause: Cause;
}

/**
 * Numbers and keeps the notices; returns the messages, which the caller puts into the outbox with
 * its others. To be called after every other lock is taken, once a transaction.
 */
export async function sayToTreasury(
  tx: Tx,
  notices: readonly TreasuryNotice[],
  now: Date,
): Promise<Outgoing[]> {
  if (notices.length === 0) return [];
  const last = await advanceSubjects(tx, notices);
  const events = [...notices].reverse().map((notice) => {
    const version = last.get(notice.subject) ?? 0n;
    last.set(notice.subject, version - 1n);
    return eventOf(notice, version, now);
  });
  events.reverse();
  await keep(tx, events, now);
  return events.map((message, index) => {
    const { correlationId, causationId } = message;
    const traceparent = notices[index]?.cause.traceparent;
    return { topic: topics.treasuryEvents, message, correlationId, causationId, traceparent };
  });
}

/** The number of each subject's last notice; locks in one order. */
async function advanceSubjects(
  tx: Tx,
  notices: readonly TreasuryNotice[],
): Promise<Map<string, bigint>> {
  const rows = await tx.sql<{ subject: string; version: bigint }>`
    INSERT INTO payments.treasury_subject AS s (subject, version)
    SELECT subject, count(*) FROM unnest(${notices.map(({ subject }) => subject)}::text[]) AS subject
    GROUP BY subject ORDER BY subject
    ON CONFLICT (subject) DO UPDATE SET version = s.version + excluded.version
    RETURNING subject, version`;
  return new Map(rows.map(({ subject, version }) => [subject, version]));
}

function eventOf({ subject, body, cause }: TreasuryNotice, version: bigint, now: Date) {
  const stateHash = hashFields(version.toString(), cause.causationId);
  return create(TreasuryEventSchema, {
    eventId: generateEventId(subject, body.value.$typeName, stateHash, now),
    subject,
    version,
    correlationId: cause.correlationId,
    causationId: cause.causationId,
    occurredAt: timestampFromDate(now),
    body,
  });
}

async function keep(tx: Tx, events: readonly TreasuryEvent[], now: Date): Promise<void> {
  const rows = events.map((event) => ({
    subject: event.subject,
    version: event.version.toString(),
    event_id: event.eventId,
    type: event.body.value?.$typeName,
    payload: encodeBytes(toBinary(TreasuryEventSchema, event)),
    at: now,
  }));
  await insertRows(tx, "treasury_history", rows);
}

/** All that was ever said, in slices, to be held against the topic. */
export async function* treasuryHistorySlices(db: Database) {
  let [subject, version] = ["", 0n];
  for (;;) {
    const rows = await db.sql<{
      subject: string;
      version: bigint;
      id: string;
      payload: Uint8Array;
    }>`
      SELECT subject, version, event_id AS id, payload FROM payments.treasury_history
      WHERE (subject, version) > (${subject}, ${version}::bigint)
      ORDER BY subject, version LIMIT ${sliceSize}`;
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    [subject, version] = [last.subject, last.version];
  }
}
