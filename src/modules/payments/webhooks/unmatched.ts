/**
 * Objects a provider told of that are nothing of ours: parked with their webhooks, read again, and
 * shown to a person. They leave the list when they turn out to be ours, or when an operator has
 * looked; whatever is heard of them later brings them back.
 */
import { create } from "@bufbuild/protobuf";
import type { SealedText } from "#gen/escrow/v1/types_pb";
import { ObjectAcknowledgedSchema } from "#gen/payments/v1/events_pb";
import type { Queryable, Tx } from "#platform/database/database";
import { HttpProblem } from "#platform/http/problem";
import type { Cause } from "../cause.ts";
import type { ObjectKey } from "../recording/objects.ts";
import type { TreasuryNotice } from "../treasury.ts";

export interface UnmatchedObject extends ObjectKey {
  /** Whose account a webhook named; "": the platform's. */
  readonly account: string;
  /** Of the latest webhook: what happened to it, in the provider's words. */
  readonly type: string;
  /** How many there were of it. */
  readonly signals: bigint;
  readonly firstSeen: Date;
}

export interface UnmatchedPage {
  readonly limit: number;
  /** As `next` of the page before. */
  readonly after: string | undefined;
}

/** Those that wait for a person, the oldest first. */
export async function unmatchedObjects(
  db: Queryable,
  { limit, after }: UnmatchedPage,
): Promise<{ readonly objects: readonly UnmatchedObject[]; readonly next: string | undefined }> {
  const { at, provider, objectId } = positionAfter(after);
  const rows = await db.sql<UnmatchedObject>`
    SELECT o.provider, o.object_id AS "objectId", o.account, o.signals, latest.type,
      w.received_at AS "firstSeen"
    FROM payments.provider_object o
    JOIN LATERAL (
      SELECT received_at FROM payments.webhook
      WHERE provider = o.provider AND object_id = o.object_id AND NOT matched
      ORDER BY received_at, event_id LIMIT 1
    ) w ON true
    JOIN LATERAL (
      SELECT type FROM payments.webhook
      WHERE provider = o.provider AND object_id = o.object_id AND NOT matched
      ORDER BY received_at DESC, event_id DESC LIMIT 1
    ) latest ON true
    WHERE o.kind = 'unmatched' AND o.signals > o.acknowledged AND o.problem = ''
      AND (w.received_at, o.provider, o.object_id) > (${at}::timestamptz, ${provider}, ${objectId})
    ORDER BY w.received_at, o.provider, o.object_id LIMIT ${limit + 1}`;
  const objects = rows.slice(0, limit);
  const last = objects.at(-1);
  if (rows.length <= limit) return { objects, next: undefined };
  return { objects, next: last === undefined ? cursorOf(beginning) : cursorOf(last) };
}

/** How much was heard of an object, and how much of that an operator has looked at. */
export interface Heard {
  readonly signals: bigint;
  readonly acknowledged: bigint;
}

/** Locks those of them that wait for a person; to be called before any root is locked. By `keyOf`. */
export async function lockUnmatched(
  tx: Tx,
  keys: readonly ObjectKey[],
): Promise<ReadonlyMap<string, Heard>> {
  if (keys.length === 0) return new Map();
  const rows = await tx.sql<ObjectKey & Heard>`
    SELECT o.provider, o.object_id AS "objectId", o.signals, o.acknowledged
    FROM payments.provider_object o
    JOIN unnest(${keys.map(({ provider }) => provider)}::text[],
      ${keys.map(({ objectId }) => objectId)}::text[]) AS k(provider, object_id)
      ON o.provider = k.provider AND o.object_id = k.object_id
    WHERE o.kind = 'unmatched' AND o.signals > o.acknowledged AND o.problem = ''
    ORDER BY o.provider, o.object_id FOR UPDATE OF o`;
  return new Map(rows.map((row) => [keyOf(row), row]));
}

/** What is looked at stays so, and nobody has looked at what was not heard yet. */
export function lookedAt({ signals, acknowledged }: Heard, seen: bigint): Heard {
  const most = seen < signals ? seen : signals;
  return { signals, acknowledged: most > acknowledged ? most : acknowledged };
}

export function keyOf({ provider, objectId }: ObjectKey): string {
  return `${provider} ${objectId}`;
}

/** Whether the provider's object is recorded here, ours or not. */
export async function isKnown(db: Queryable, object: ObjectKey): Promise<boolean> {
  const rows = await db.sql`
    SELECT object_id FROM payments.provider_object
    WHERE provider = ${object.provider} AND object_id = ${object.objectId}`;
  return rows.length > 0;
}

export interface Acknowledgement extends ObjectKey {
  /** How many signals he has seen. */
  readonly signals: bigint;
  readonly acknowledgedBy: string;
  readonly note: SealedText | undefined;
  readonly cause: Cause;
}

/** The caller has locked it. It stays parked, and is read again as before. */
export async function acknowledge(
  tx: Tx,
  { provider, objectId, signals, acknowledgedBy, note, cause }: Acknowledgement,
): Promise<TreasuryNotice[]> {
  await tx.sql`
    UPDATE payments.provider_object
    SET acknowledged = greatest(acknowledged, least(signals, ${signals}))
    WHERE provider = ${provider} AND object_id = ${objectId}`;
  const value = create(ObjectAcknowledgedSchema, {
    objectId,
    acknowledgedBy,
    ...(note && { note }),
  });
  return [{ subject: provider, body: { case: "objectAcknowledged", value }, cause }];
}

type Position = Pick<UnmatchedObject, "firstSeen" | "provider" | "objectId">;

const beginning: Position = { firstSeen: new Date(0), provider: "", objectId: "" };

function cursorOf({ firstSeen, provider, objectId }: Position): string {
  return Buffer.from(`${firstSeen.toISOString()}|${provider}|${objectId}`).toString("base64url");
}

const written = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z)\|([^|]*)\|([^\0]*)$/;

function positionAfter(cursor: string | undefined) {
  if (cursor === undefined) return { at: new Date(0), provider: "", objectId: "" };
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  const [, instant = "", provider = "", objectId = ""] = written.exec(text) ?? [];
  const at = new Date(instant);
  if (Number.isNaN(at.getTime()) || at.getUTCFullYear() === 0) {
    throw new HttpProblem("BAD_REQUEST", "Not a cursor of work items.", { field: "cursor" });
  }
  return { at, provider, objectId };
}
