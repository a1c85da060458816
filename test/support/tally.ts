/**
 * A small handler for the consumer's tests: messages say "the n-th of this key" and are written
 * down, once each by their id. What a message does beyond that is in its text.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt";
import type { Queryable } from "#platform/database/database";
import { GapError, TerminalError } from "#platform/errors";
import type { NewRecord } from "#platform/messaging/event-log";
import type { HandlerDeclaration, Incoming } from "#platform/messaging/handler";
import type { Topic } from "#platform/messaging/topic";
import { createModuleSchema } from "./outbox.ts";

export interface Note {
  readonly id: string;
  readonly key: string;
  readonly n: number;
  /** poison: decide throws while the key is in tally.poison. Other words: see `handle`. */
  readonly does?: string;
}

export const noteTopic: Topic<StringValue> = {
  name: "notes.v1",
  schema: StringValueSchema,
  partitions: 1,
  retentionDays: 1,
  timestamps: "append",
  keyOf: ({ value }) => noteOf(value).key,
  idOf: ({ value }) => noteOf(value).id,
  typeOf: () => "Note",
};

const answerTopic: Topic<StringValue> = { ...noteTopic, name: "answers.v1" };

export function noteIn(record: { readonly value: Uint8Array }): Note {
  return noteOf(fromBinary(StringValueSchema, record.value).value);
}

function noteOf(value: string): Note {
  return JSON.parse(value) as Note;
}

export function noteRecord(note: Note, headers: Record<string, string> = {}): NewRecord {
  return {
    topic: noteTopic.name,
    key: note.key,
    value: toBinary(StringValueSchema, create(StringValueSchema, { value: JSON.stringify(note) })),
    headers: { "message-id": note.id, "correlation-id": "c", "schema-version": "1", ...headers },
  };
}

export async function createTally(db: Queryable): Promise<void> {
  await createModuleSchema(db, "tally");
  await db.script(`
    CREATE TABLE tally.outcome (id text PRIMARY KEY, key text NOT NULL, n int NOT NULL CHECK (n <> 1000));
    -- No constraint: whatever takes effect twice, or out of order, is seen here.
    CREATE TABLE tally.effect (seq bigserial PRIMARY KEY, id text NOT NULL, key text NOT NULL, n int NOT NULL);
    CREATE TABLE tally.poison (key text PRIMARY KEY);
    CREATE TABLE tally.parent (id text PRIMARY KEY);
    CREATE TABLE tally.child (
      id text NOT NULL REFERENCES tally.parent (id) DEFERRABLE INITIALLY DEFERRED
    )`);
}

export type TallyHandler = HandlerDeclaration<StringValue>;

/** Before: anything a test wants to happen inside the transaction, once the notes are known. */
export function tallyHandler(
  options: Partial<TallyHandler> & {
    before?: (notes: readonly Note[]) => void;
    /** false: nothing but the consumer keeps a message from taking effect twice. */
    dedupes?: boolean;
    /** A note that does not follow on the last of its key fails. */
    numbered?: boolean;
  } = {},
): TallyHandler {
  const { before, dedupes = true, numbered = false, ...declared } = options;
  return {
    name: "tally.notes",
    topic: noteTopic,
    async handleBatch(tx, batch) {
      const notes = batch.messages.map(({ message }) => noteOf(message.value));
      before?.(notes);
      const ids = notes.map(({ id }) => id);
      const known = new Set(
        (
          await tx.sql<{ id: string }>`SELECT id FROM tally.outcome WHERE id = ANY(${ids}::text[])`
        ).map(({ id }) => id),
      );
      const keys = notes.map(({ key }) => key);
      const poisoned = new Set(
        (
          await tx.sql<{
            key: string;
          }>`SELECT key FROM tally.poison WHERE key = ANY(${keys}::text[])`
        ).map(({ key }) => key),
      );
      const reached = numbered ? await lastOf(tx, keys) : undefined;
      const accepted: { note: Note; incoming: Incoming<StringValue> }[] = [];
      batch.each((incoming) => {
        const note = noteOf(incoming.message.value);
        if (known.has(note.id)) return;
        if (note.does === "poison" && poisoned.has(note.key)) throw new Error(`poison ${note.id}`);
        if (reached !== undefined && note.n > (reached.get(note.key) ?? 0) + 1) {
          throw new GapError(`${note.id} too early`);
        }
        reached?.set(note.key, note.n);
        if (note.does === "terminal") throw new TerminalError("never");
        accepted.push({ note, incoming });
      });
      const done = accepted.map(({ note }) => note);
      for (const { id, does } of done) {
        if (does === "child") await tx.sql`INSERT INTO tally.child (id) VALUES (${id})`;
        if (does === "family") {
          await tx.sql`INSERT INTO tally.child (id) VALUES (${id})`;
          await tx.sql`INSERT INTO tally.parent (id) VALUES (${id})`;
        }
        if (does === "no-table") await tx.sql`SELECT * FROM tally.nowhere`;
        if (does === "bug") (undefined as unknown as { run(): void }).run();
        if (does === "hiccup") throw new Error("a hiccup");
      }
      if (dedupes) await writeOutcomes(tx, done);
      await writeEffects(tx, done);
      return accepted
        .filter(({ note }) => note.does === "answer")
        .map(({ incoming }) => ({
          topic: answerTopic,
          message: incoming.message,
          correlationId: incoming.correlationId,
          causationId: incoming.messageId,
        }));
    },
    ...declared,
  };
}

async function lastOf(tx: Queryable, keys: readonly string[]): Promise<Map<string, number>> {
  const rows = await tx.sql<{ key: string; n: number }>`
    SELECT key, max(n) AS n FROM tally.effect WHERE key = ANY(${keys}::text[]) GROUP BY key`;
  return new Map(rows.map(({ key, n }) => [key, n]));
}

async function writeOutcomes(tx: Queryable, notes: readonly Note[]): Promise<void> {
  await tx.sql`
    INSERT INTO tally.outcome (id, key, n)
    SELECT id, key, n FROM unnest(
      ${notes.map(({ id }) => id)}::text[],
      ${notes.map(({ key }) => key)}::text[],
      ${notes.map(({ n }) => n)}::int[]
    ) AS m(id, key, n)`;
}

export async function writeEffects(tx: Queryable, notes: readonly Note[]): Promise<void> {
  await tx.sql`
    INSERT INTO tally.effect (id, key, n)
    SELECT id, key, n FROM unnest(
      ${notes.map(({ id }) => id)}::text[],
      ${notes.map(({ key }) => key)}::text[],
      ${notes.map(({ n }) => n)}::int[]
    ) WITH ORDINALITY AS m(id, key, n, i) ORDER BY i`;
}

/** The effects in the order they were written, such as "a1 a2 b1". */
export async function effects(db: Queryable): Promise<string> {
  const rows = await db.sql<{
    key: string;
    n: number;
  }>`SELECT key, n FROM tally.effect ORDER BY seq`;
  return rows.map(({ key, n }) => `${key}${n}`).join(" ");
}

/** What is parked, in the order of the log, such as "a3:waiting". */
export async function parkedNotes(db: Queryable): Promise<string> {
  const rows = await db.sql<{ off: bigint; key: string; state: string; attempts: number }>`
    SELECT off, key, state, attempts FROM tally.parked ORDER BY off`;
  return rows.map(({ off, key, state, attempts }) => `${off}${key}:${state}:${attempts}`).join(" ");
}
