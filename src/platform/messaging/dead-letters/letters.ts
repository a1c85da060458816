/**
 * What operators see of the messages a module's consumers set aside. A letter is a message that
 * failed; what only waits behind one of its key is no letter and cannot be treated alone.
 */
import { type Queryable, SqlName } from "../../database/database.ts";
import type { LogRecord } from "../event-log.ts";

/** Where a message was read by whom: the name of a letter. */
export interface LetterPlace {
  readonly consumer: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

export interface Letter extends LetterPlace {
  readonly key: string;
  readonly messageId: string;
  readonly messageType: string;
  readonly state: "waiting" | "dead";
  readonly attempts: number;
  /** The next try of one that waits. */
  readonly nextAt: Date | null;
  /** The class of what was thrown last, and its message. */
  readonly causeClass: string;
  readonly cause: string;
  readonly fingerprint: string;
  readonly firstFailedAt: Date;
  readonly failedAt: Date;
  readonly requestedBy: string | null;
}

export interface LetterFilter {
  /** With or without its package. */
  readonly type?: string | undefined;
  readonly since?: Date | undefined;
  readonly topic?: string | undefined;
  readonly key?: string | undefined;
  readonly consumer?: string | undefined;
  readonly cause?: string | undefined;
  readonly state?: string | undefined;
  readonly fingerprint?: string | undefined;
}

/** Those that fit, oldest first. */
export function listLetters(
  db: Queryable,
  schema: string,
  filter: LetterFilter,
  limit: number,
): Promise<readonly Letter[]> {
  return db.sql<Letter>`
    SELECT * FROM ${wantedLetters(schema)}(${JSON.stringify(filter)}::jsonb)
    ORDER BY "firstFailedAt", consumer, topic, "partition", "offset" LIMIT ${limit}::int`;
}

/** Letters of one cause and type. */
export interface LetterGroup {
  readonly fingerprint: string;
  readonly causeClass: string;
  readonly messageType: string;
  readonly letters: number;
  readonly dead: number;
  readonly consumers: readonly string[];
  /** One of their causes. */
  readonly cause: string;
  readonly firstFailedAt: Date;
  readonly failedAt: Date;
}

/** By fingerprint, the largest first. */
export function groupLetters(
  db: Queryable,
  schema: string,
  filter: LetterFilter,
): Promise<readonly LetterGroup[]> {
  return db.sql<LetterGroup>`
    SELECT fingerprint, min("causeClass") AS "causeClass", min("messageType") AS "messageType",
      count(*)::int AS letters, (count(*) FILTER (WHERE state = 'dead'))::int AS dead,
      array_agg(DISTINCT consumer ORDER BY consumer) AS consumers, min(cause) AS cause,
      min("firstFailedAt") AS "firstFailedAt", max("failedAt") AS "failedAt"
    FROM ${wantedLetters(schema)}(${JSON.stringify(filter)}::jsonb)
    GROUP BY fingerprint ORDER BY count(*) DESC, fingerprint LIMIT 200`;
}

function wantedLetters(schema: string): SqlName {
  return new SqlName(schema, "wanted_letters");
}

/** A letter with all there is to know of it. */
export interface OpenLetter extends Letter {
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly stack: string;
  readonly appendedAt: Date;
  /** How many messages of its key wait behind it. */
  readonly behind: number;
}

export async function openLetter(
  db: Queryable,
  schema: string,
  { consumer, topic, partition, offset }: LetterPlace,
): Promise<OpenLetter | undefined> {
  const wanted = JSON.stringify({ consumer, topic });
  const [row] = await db.sql<OpenLetter>`
    SELECT l.*, p.value, p.headers, p.stack, p.appended_at AS "appendedAt",
      (SELECT count(*)::int FROM ${new SqlName(schema, "parked")} b
        WHERE b.consumer = p.consumer AND b.key = p.key
          AND (b.topic, b.part, b.off) > (p.topic, p.part, p.off)) AS behind
    FROM ${new SqlName(schema, "parked")} p, ${wantedLetters(schema)}(${wanted}::jsonb) l
    WHERE p.consumer = ${consumer} AND p.topic = ${topic} AND p.part = ${partition}
      AND p.off = ${offset} AND l.consumer = p.consumer AND l.topic = p.topic
      AND l."partition" = p.part AND l."offset" = p.off`;
  return row;
}

/** The named letters of one consumer as the log had them. */
export async function recordsAt(
  db: Queryable,
  schema: string,
  consumer: string,
  places: readonly LetterPlace[],
): Promise<readonly LogRecord[]> {
  return db.sql<LogRecord>`
    SELECT p.topic, p.part AS partition, p.off AS "offset", p.key, p.value, p.headers,
      p.appended_at AS "appendedAt"
    FROM ${new SqlName(schema, "parked")} p
    JOIN unnest(${places.map(({ topic }) => topic)}::text[],
      ${places.map(({ partition }) => partition)}::int[],
      ${places.map(({ offset }) => offset)}::bigint[]) AS m(topic, part, off)
      ON p.topic = m.topic AND p.part = m.part AND p.off = m.off
    WHERE p.consumer = ${consumer} AND p.attempts > 0`;
}

export interface Follower {
  readonly offset: bigint;
  readonly messageId: string;
  readonly messageType: string;
}

/** The first messages of its key that wait behind it, in their order. */
export function followersOf(
  db: Queryable,
  schema: string,
  { consumer, topic, partition, offset, key }: LetterPlace & { readonly key: string },
  limit: number,
): Promise<readonly Follower[]> {
  return db.sql<Follower>`
    SELECT off AS "offset", message_id AS "messageId", message_type AS "messageType"
    FROM ${new SqlName(schema, "parked")}
    WHERE consumer = ${consumer} AND key = ${key}
      AND (topic, part, off) > (${topic}, ${partition}::int, ${offset}::bigint)
    ORDER BY topic, part, off LIMIT ${limit}::int`;
}
