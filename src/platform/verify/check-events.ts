/**
 * A topic of events against the history it was published from: everything is there (I6), per key in
 * order, byte for byte, in its key's partition (I3). What came too early must be repeated behind what it
 * follows: whoever drops it then still reads all in order.
 */
import type { Message } from "@bufbuild/protobuf";
import { type Database, SqlName } from "../database/database.ts";
import type { EventLog, LogRecord, PartitionEnds } from "../messaging/event-log.ts";
import { partitionOf } from "../messaging/partition.ts";
import type { Topic } from "../messaging/topic.ts";
import { type Finding, found, reachesBack, recordsOf, sliceSize } from "./checks.ts";

export interface EventTopicCheck<M extends Message> {
  readonly topic: Topic<M>;
  readonly decode: (value: Uint8Array) => M;
  /** 0 for messages that carry no number of their own. */
  readonly versionOf: (message: M) => bigint;
  /** Ids in the module's history, in slices. */
  readonly history: () => AsyncIterable<readonly { id: string; payload: Uint8Array }[]>;
  /** Ids that wait in the outbox or are set aside. Asked after the history. */
  readonly waiting: () => Promise<ReadonlySet<string>>;
}

/**
 * The topic against the history it was published from. History is read first, then what waits, then
 * the topic's ends: a row that had left the outbox by then is in the topic by that end.
 */
export async function checkEventTopic<M extends Message>(
  log: EventLog,
  check: EventTopicCheck<M>,
): Promise<Finding[]> {
  const { topic } = check;
  const name = log.nameOf?.(topic.name) ?? topic.name;
  const expected = new Map<string, string>();
  for await (const rows of check.history()) {
    for (const { id, payload } of rows) expected.set(id, digest(payload));
  }
  const waiting = await check.waiting();
  const ends = await log.ends([topic.name]);
  const missing = new Set([...expected.keys()].filter((id) => !waiting.has(id)));
  const order = orderOf({ ...check, expected, fromTheStart: reachesBack(ends) });
  let [disorder, nothingLost]: (string | undefined)[] = [];
  let read = 0n;
  for await (const records of recordsOf(log, topic.name, upToEnds(ends))) {
    for (const record of records) {
      read += 1n;
      const message = decoded(record, check);
      // A stranger's bytes are none of ours, and no loss: consumers park them.
      if (message === undefined) continue;
      missing.delete(topic.idOf(message));
      disorder ??= order.see(record, message);
    }
  }
  disorder ??= order.end();
  if (reachesBack(ends)) {
    const [lost] = missing;
    if (lost !== undefined) nothingLost = `event ${lost} is in the history, not on ${name}`;
  }
  return [
    { id: "I3", name: `order on ${name}`, checked: read, ...found(disorder) },
    {
      id: "I6",
      name: `nothing lost on ${name}`,
      checked: BigInt(expected.size),
      ...found(nothingLost),
    },
  ];
}

/** As consumers see it: what does not decode, or says another key than it stands under, is parked. */
function decoded<M extends Message>(
  { key, value }: LogRecord,
  { topic, decode }: EventTopicCheck<M>,
): M | undefined {
  try {
    const message = decode(value);
    return topic.keyOf(message) === key ? message : undefined;
  } catch {
    return undefined;
  }
}

interface OrderOptions<M extends Message> extends Pick<EventTopicCheck<M>, "topic" | "versionOf"> {
  /** Digests of the history by message id. */
  readonly expected: ReadonlyMap<string, string>;
  readonly fromTheStart: boolean;
}

/** `see` says what is wrong with a record, `end` what was never put in order. */
function orderOf<M extends Message>({ topic, versionOf, expected, fromTheStart }: OrderOptions<M>) {
  const seen = new Map<string, bigint>();
  const early = new Map<string, { readonly version: bigint; readonly text: string }>();
  const see = (record: LogRecord, message: M): string | undefined => {
    const key = topic.keyOf(message);
    const version = versionOf(message);
    const at = `${topic.name}/${record.partition}@${record.offset}: ${key} version ${version}`;
    if (record.partition !== partitionOf(key, topic.partitions))
      return `${at} in a foreign partition`;
    const known = expected.get(topic.idOf(message));
    if (known !== undefined && known !== digest(record.value))
      return `${at} differs from the history`;
    if (version === 0n) return undefined;
    const last = seen.get(key) ?? (fromTheStart ? 0n : version - 1n);
    if (version > last + 1n) {
      if (version > (early.get(key)?.version ?? 0n)) {
        early.set(key, { version, text: `${at} after ${last}` });
      }
    } else if (version > last) seen.set(key, version);
    return undefined;
  };
  const end = (): string | undefined =>
    [...early].find(([key, { version }]) => version > (seen.get(key) ?? 0n))?.[1].text;
  return { see, end };
}

function upToEnds(ends: readonly PartitionEnds[]): Map<number, bigint> {
  return new Map(ends.map(({ partition, end }) => [partition, end]));
}

function digest(bytes: Uint8Array): string {
  return Bun.hash(bytes).toString(36);
}

/** A module's history table, in slices. */
export async function* historySlices(db: Database, schema: string) {
  let [no, version] = [0n, 0n];
  for (;;) {
    const rows = await db.sql<{
      escrow_no: bigint;
      version: bigint;
      id: string;
      payload: Uint8Array;
    }>`
      SELECT escrow_no, version, event_id AS id, payload FROM ${new SqlName(schema, "history")}
      WHERE (escrow_no, version) > (${no}::bigint, ${version}::bigint)
      ORDER BY escrow_no, version LIMIT ${sliceSize}`;
    const last = rows.at(-1);
    if (!last) return;
    yield rows;
    [no, version] = [last.escrow_no, last.version];
  }
}

/** Ids of a module's messages that have not left yet, or were set aside. */
export async function waitingIds(db: Database, schema: string): Promise<ReadonlySet<string>> {
  const rows = await db.sql<{ id: string }>`
    SELECT id FROM ${new SqlName(schema, "outbox")}
    UNION ALL SELECT id FROM ${new SqlName(schema, "outbox_held")}`;
  return new Set(rows.map(({ id }) => id));
}
