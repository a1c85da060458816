/**
 * Removes outbox rows that a connector publishes. It reads the topics; a row is proved by its message
 * there: same topic, key, id and bytes, and every header of the row. Of a key only the first rows go, as
 * far as they were seen one behind the other. One that was not seen keeps all behind it, seen or not,
 * until they are seen again behind it: so whoever publishes it late repeats them in order.
 */
import type { Clock } from "#platform/clock";
import { SqlName, type Tx } from "#platform/database/database";
import type { Handled } from "#platform/messaging/consumer";
import type { EventLog, LogBatch, LogRecord, Subscription } from "#platform/messaging/event-log";
import { gather } from "#platform/messaging/gathering";
import { storable } from "#platform/messaging/storable";
import type { Worker } from "#platform/module";
import { WorkerLostError } from "#platform/workers/worker-lost-error";
import {
  createPublishedPositions,
  publishedGroup,
  type WatchedOutbox,
} from "./published-positions.ts";
import type { PublishMeasures } from "./relay.ts";

export interface PublishedRowsOptions {
  readonly outboxes: readonly WatchedOutbox[];
  readonly log: Pick<EventLog, "subscribe" | "clusterId" | "ends">;
  /** All that the outboxes write. */
  readonly topics: readonly string[];
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly measure?:
    | (Pick<PublishMeasures, "published"> & { handled(batch: Handled): void })
    | undefined;
  /** How often positions are kept. What is read a second time proves the same. */
  readonly keepEveryMs?: number;
}

/** One look at the outboxes serves what has come of all partitions meanwhile. */
const idleMs = 250;
const waitMs = 500;
const mostRecords = 5_000;
const mostPerBatch = 1_000;
const retryMs = 1_000;

interface Waiting {
  readonly pos: bigint;
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly digest: string;
}

interface Proved extends Waiting {
  /** Offsets, from the lowest. */
  readonly offsets: readonly bigint[];
}

export function createPublishedRows(options: PublishedRowsOptions): Worker {
  const { outboxes, log, topics, clock, measure, keepEveryMs = 5_000 } = options;
  const positions = createPublishedPositions({ outboxes, log });
  let subscription: Subscription | undefined;
  let keepAtMs = 0;

  async function settle(batches: readonly LogBatch[]): Promise<void> {
    const seen = byId(batches.flatMap(({ records }) => records));
    const due = clock.monotonicMs() >= keepAtMs;
    for (const { schema, db } of outboxes) {
      const removed = await db.withTx(async (tx) => {
        const count = await removeSeen(tx, schema, seen);
        if (due) await positions.keep(tx, schema, batches);
        return count;
      });
      measure?.published(schema, removed);
    }
    positions.passed(batches, due);
    if (due) keepAtMs = clock.monotonicMs() + keepEveryMs;
  }

  async function step(): Promise<"worked" | "idle"> {
    if (subscription?.state() === "lost")
      throw new WorkerLostError(`${publishedGroup} lost its group`);
    const startedMs = clock.monotonicMs();
    const batches =
      subscription === undefined ? [] : await gather(subscription, waitMs, mostRecords);
    if (batches.length === 0) return "idle";
    try {
      await settle(batches);
    } catch (error) {
      for (const batch of batches) batch.retryAfter(retryMs);
      throw error;
    }
    for (const batch of batches) await batch.done(nextOf(batch));
    const count = batches.reduce((sum, { records }) => sum + records.length, 0);
    const durationMs = clock.monotonicMs() - startedMs;
    measure?.handled({ handler: publishedGroup, count, parked: 0, durationMs, waitedMs: [] });
    return count >= mostRecords ? "worked" : "idle";
  }

  return {
    name: publishedGroup,
    idleMs,
    async start() {
      subscription ??= log.subscribe({
        group: publishedGroup,
        topics,
        startAt: positions.startAt,
        maxRecords: mostPerBatch,
      });
    },
    step,
    async stop() {
      await subscription?.close();
      subscription = undefined;
    },
    problem: () =>
      subscription?.state() === "joined"
        ? undefined
        : `${publishedGroup} has not joined its group: published rows stay`,
  };
}

/** Strangers write whatever they like; a text the database cannot keep is none of ours. */
function byId(records: readonly LogRecord[]): Map<string, LogRecord[]> {
  const own = records.filter((record) => storable(idOf(record)) === idOf(record));
  return Map.groupBy(own, idOf);
}

function idOf({ headers }: LogRecord): string {
  return headers["message-id"] ?? "";
}

async function removeSeen(
  tx: Tx,
  schema: string,
  seen: ReadonlyMap<string, readonly LogRecord[]>,
): Promise<number> {
  const outbox = new SqlName(schema, "outbox");
  const rows = await tx.sql<Waiting>`
    SELECT pos, id, aggregatetype AS topic, aggregateid AS key, headers,
           encode(sha256(payload), 'hex') AS digest
    FROM ${outbox} WHERE id = ANY(${[...seen.keys()]}::text[])`;
  const proved = rows.flatMap((row) => {
    const offsets = offsetsOf(row, seen.get(row.id) ?? []);
    return offsets.length === 0 ? [] : [{ ...row, offsets }];
  });
  if (proved.length === 0) return 0;
  const others = await tx.sql<{ topic: string; key: string; pos: bigint }>`
    SELECT aggregatetype AS topic, aggregateid AS key, min(pos) AS pos FROM (
      SELECT pos, aggregatetype, aggregateid FROM ${outbox}
      UNION ALL SELECT pos, aggregatetype, aggregateid FROM ${new SqlName(schema, "outbox_held")}
    ) AS there
    WHERE aggregateid = ANY(${[...new Set(proved.map(({ key }) => key))]}::text[])
      AND NOT pos = ANY(${proved.map(({ pos }) => pos)}::bigint[])
    GROUP BY aggregatetype, aggregateid`;
  const lowestOther = new Map(others.map((row) => [lineOf(row), row.pos]));
  const comesFirst = (row: Proved): boolean => {
    const other = lowestOther.get(lineOf(row));
    return other === undefined || row.pos < other;
  };
  const gone = inOrder(proved).filter(comesFirst);
  const removed = await tx.sql`
    DELETE FROM ${outbox} WHERE pos = ANY(${gone.map(({ pos }) => pos)}::bigint[]) RETURNING pos`;
  return removed.length;
}

/** Of each topic and key, as many from the lowest position on as were seen one behind the other. */
function inOrder<R extends Proved>(rows: readonly R[]): R[] {
  const byLine = Map.groupBy(rows, lineOf);
  return [...byLine.values()].flatMap((ofKey) => {
    const sorted = ofKey.toSorted((a, b) => (a.pos < b.pos ? -1 : 1));
    let last = -1n;
    const end = sorted.findIndex(({ offsets }) => {
      const next = offsets.find((offset) => offset > last);
      if (next !== undefined) last = next;
      return next === undefined;
    });
    return end < 0 ? sorted : sorted.slice(0, end);
  });
}

/** What has an order of its own: the messages of one key on a topic. */
function lineOf({ topic, key }: { readonly topic: string; readonly key: string }): string {
  return `${topic} ${key}`;
}

/** At which offsets of its key's partition the row's message was seen, in their order. */
function offsetsOf(row: Waiting, records: readonly LogRecord[]): readonly bigint[] {
  return records.filter((record) => isOf(row, record)).map(({ offset }) => offset);
}

/**
 * Copies of dead letters share topic, key, id and bytes, and differ in headers alone. More headers
 * than the row has may have been added on the way.
 */
function isOf(row: Waiting, record: LogRecord): boolean {
  if (record.topic !== row.topic || record.key !== row.key) return false;
  const own = Object.entries(row.headers);
  if (own.some(([name, text]) => record.headers[name] !== text)) return false;
  return new Bun.CryptoHasher("sha256").update(record.value).digest("hex") === row.digest;
}

function nextOf({ records, low }: LogBatch): bigint {
  const last = records.at(-1);
  return last === undefined ? low : last.offset + 1n;
}
