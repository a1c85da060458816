/**
 * What operators do with dead letters, each act written down with who asked and why, in the
 * transaction that does it. A replay only arms the redrive, which keeps the order of the key; a
 * discard deletes exactly that letter, keeps a copy, and lets what waited behind it go on.
 */
import { type Database, SqlName, type Tx } from "../../database/database.ts";
import { consumerTables } from "../consumer-tables.ts";
import { mostCrashes } from "./in-hand.ts";
import type { LetterPlace } from "./letters.ts";
import { unblockEmpty } from "./parked-rows.ts";

/** Who wants it and why. Operators as issuer | subject. */
export interface Act {
  readonly askedBy: string;
  readonly approvedBy?: string | undefined;
  readonly reason: string;
}

/** So often a message is tried at most, by itself and by operators together. */
export const mostAttempts = 20;
const chunkSize = 200;

/** A letter and when its replay is due, from now on. */
export interface Replay {
  readonly place: LetterPlace;
  readonly key: string;
  readonly delayMs: number;
}

/** Resolves to those that will be tried; left out is what is gone, or was tried too often. */
export async function replayLetters(
  db: Database,
  schema: string,
  replays: readonly Replay[],
  act: Act,
): Promise<readonly LetterPlace[]> {
  return inChunks(replays, (consumer, chunk) =>
    db.withTx(async (tx) => {
      await lockKeys(tx, schema, consumer, chunk);
      const armed = await tx.sql<LetterPlace>`
        WITH armed AS (
          UPDATE ${consumerTables(schema).parked} p
          SET state = 'waiting', requested_by = ${act.askedBy},
            one_try = p.one_try OR p.state = 'dead',
            crashes = least(p.crashes, ${mostCrashes - 1}::int),
            -- What would be tried by itself before is not put off.
            next_at = CASE WHEN p.one_try OR p.state = 'dead' THEN d.due
              ELSE least(p.next_at, d.due) END
          FROM unnest(${chunk.map(({ place }) => place.topic)}::text[],
            ${chunk.map(({ place }) => place.partition)}::int[],
            ${chunk.map(({ place }) => place.offset)}::bigint[],
            ${chunk.map(({ delayMs }) => delayMs)}::float8[]) AS m(topic, part, off, delay),
            LATERAL (SELECT clock_timestamp() + m.delay * interval '1 millisecond' AS due) AS d
          WHERE p.consumer = ${consumer} AND p.topic = m.topic AND p.part = m.part
            AND p.off = m.off AND p.attempts BETWEEN 1 AND ${mostAttempts - 1}
          RETURNING p.*
        ), noted AS (
          INSERT INTO ${new SqlName(schema, "letter_action")} (action, consumer, topic, part, off,
            key, message_id, message_type, headers, attempts, cause, reason, asked_by)
          SELECT 'replay', consumer, topic, part, off, key, message_id, message_type, headers,
            attempts, cause, ${act.reason}, ${act.askedBy}
          FROM armed ORDER BY next_at
        )
        SELECT consumer, topic, part AS partition, off AS "offset" FROM armed ORDER BY next_at`;
      await hastenThoseBefore(tx, schema, consumer, armed);
      return armed;
    }),
  );
}

/** What waits in front of it came too early without it: a key is tried from its first message on. */
async function hastenThoseBefore(
  tx: Tx,
  schema: string,
  consumer: string,
  armed: readonly LetterPlace[],
): Promise<void> {
  const { parked } = consumerTables(schema);
  await tx.sql`
    UPDATE ${parked} p SET next_at = a.next_at
    FROM ${parked} a JOIN unnest(${armed.map(({ topic }) => topic)}::text[],
      ${armed.map(({ partition }) => partition)}::int[],
      ${armed.map(({ offset }) => offset)}::bigint[]) AS m(topic, part, off)
      ON a.topic = m.topic AND a.part = m.part AND a.off = m.off
    WHERE a.consumer = ${consumer} AND p.consumer = a.consumer AND p.key = a.key
      AND (p.topic, p.part, p.off) < (a.topic, a.part, a.off)
      AND p.state = 'waiting' AND p.next_at > a.next_at`;
}

/** Resolves to those that were still there. */
export async function discardLetters(
  db: Database,
  schema: string,
  letters: readonly Pick<Replay, "place" | "key">[],
  act: Act,
): Promise<readonly LetterPlace[]> {
  const tables = consumerTables(schema);
  return inChunks(letters, (consumer, chunk) =>
    db.withTx(async (tx) => {
      await lockKeys(tx, schema, consumer, chunk);
      const gone = await tx.sql<LetterPlace>`
        WITH gone AS (
          DELETE FROM ${tables.parked} p
          USING unnest(${chunk.map(({ place }) => place.topic)}::text[],
            ${chunk.map(({ place }) => place.partition)}::int[],
            ${chunk.map(({ place }) => place.offset)}::bigint[]) AS m(topic, part, off)
          WHERE p.consumer = ${consumer} AND p.topic = m.topic AND p.part = m.part
            AND p.off = m.off AND p.attempts > 0
          RETURNING p.*
        ), noted AS (
          INSERT INTO ${new SqlName(schema, "letter_action")} (action, consumer, topic, part, off,
            key, message_id, message_type, value, headers, attempts, cause, reason, asked_by,
            approved_by)
          SELECT 'discard', consumer, topic, part, off, key, message_id, message_type, value,
            headers, attempts, cause, ${act.reason}, ${act.askedBy}, ${act.approvedBy ?? null}
          FROM gone ORDER BY topic, part, off
        )
        SELECT consumer, topic, part AS partition, off AS "offset" FROM gone
        ORDER BY topic, part, off`;
      await unblockEmpty(
        tx,
        tables,
        consumer,
        chunk.map(({ key }) => key),
      );
      return gone;
    }),
  );
}

/** As the redrive does, and in the order in which batches lock them: nobody has the keys in hand meanwhile. */
async function lockKeys(
  tx: Tx,
  schema: string,
  consumer: string,
  letters: readonly { readonly key: string }[],
): Promise<void> {
  const keys = [...new Set(letters.map(({ key }) => key))];
  await tx.sql`
    SELECT key FROM ${consumerTables(schema).blockedKey}
    WHERE consumer = ${consumer} AND key = ANY(${keys}::text[]) ORDER BY key FOR UPDATE`;
}

/** Short transactions: a batch of the stream may be waiting for one of the keys. */
async function inChunks<T extends { readonly place: LetterPlace }>(
  items: readonly T[],
  act: (consumer: string, chunk: readonly T[]) => Promise<readonly LetterPlace[]>,
): Promise<readonly LetterPlace[]> {
  const done: LetterPlace[] = [];
  for (const [consumer, own] of Map.groupBy(items, ({ place }) => place.consumer)) {
    for (let from = 0; from < own.length; from += chunkSize) {
      done.push(...(await act(consumer, own.slice(from, from + chunkSize))));
    }
  }
  return done;
}

export interface LetterAct {
  readonly action: string;
  readonly reason: string;
  readonly askedBy: string;
  readonly approvedBy: string | null;
  readonly at: Date;
}

/** What operators did with a letter so far, in order. */
export function actsOn(
  db: Database,
  schema: string,
  { consumer, topic, partition, offset }: LetterPlace,
): Promise<readonly LetterAct[]> {
  return db.sql<LetterAct>`
    SELECT action, reason, asked_by AS "askedBy", approved_by AS "approvedBy", at
    FROM ${new SqlName(schema, "letter_action")}
    WHERE consumer = ${consumer} AND topic = ${topic} AND part = ${partition} AND off = ${offset}
    ORDER BY id LIMIT 100`;
}
