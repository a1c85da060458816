/**
 * The topics as they grow: the latest messages first asked for, then page by page whatever came
 * since. Reads beside the groups, and moves nobody's position.
 */
import { z } from "zod";
import { HttpProblem } from "#platform/http/problem";
import type { EventLog, LogRecord } from "#platform/messaging/event-log";
import { allTopics } from "#topics";
import { bodyView } from "./body-view.ts";

export interface TailRequest {
  /** Of the catalogue; all topics of events when empty. */
  readonly topics: readonly string[];
  readonly limit: number;
  /** As `next` of the page before; absent: the latest. */
  readonly after?: string | undefined;
}

export interface TailedMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly at: string;
  readonly key: string;
  readonly type: string;
  readonly messageId: string;
  readonly correlationId: string;
  readonly body: ReturnType<typeof bodyView>["body"];
}

export interface Tail {
  /** Those of one partition in its order; between partitions by time. */
  readonly items: readonly TailedMessage[];
  readonly next: string;
}

/** All topics of events when none is named. Throws HttpProblem for one that is not ours. */
export function topicsNamed(names: readonly string[]): readonly string[] {
  const known = allTopics.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const detail = `"${unknown}" is none of the topics: ${known.join(", ")}.`;
    throw new HttpProblem("BAD_REQUEST", detail, { field: "topic" });
  }
  return names.length > 0 ? [...new Set(names)] : known.filter((name) => name.includes(".events."));
}

type TailLog = Pick<EventLog, "ends" | "read">;

/** `topic/partition` → the next offset. */
type Positions = Readonly<Record<string, string>>;

const positions = z.record(z.string(), z.string().regex(/^\d{1,19}$/));

/** Throws HttpProblem for a topic that is not ours, or what is no cursor. */
export async function tail(log: TailLog, request: TailRequest): Promise<Tail> {
  const { limit, after } = request;
  const known = after === undefined ? undefined : positionsIn(after);
  const read = await Promise.all(
    (await log.ends(topicsNamed(request.topics))).map(async (ends) => {
      const { topic, partition, low, end } = ends;
      const place = `${topic}/${partition}`;
      const latest = end - BigInt(limit);
      const wanted = known === undefined ? latest : BigInt(known[place] ?? "0");
      const from = wanted > low ? wanted : low;
      const records = from < end ? await log.read(topic, partition, from, limit) : [];
      return { place, from, records };
    }),
  );
  const inOrder = merged(read.map(({ records }) => records));
  const shown = known === undefined ? inOrder.slice(-limit) : inOrder.slice(0, limit);
  const kept = new Set(shown);
  const next: Record<string, string> = {};
  for (const { place, from, records } of read) {
    // Of the latest, those before the first shown one are left out for good.
    const passed = known === undefined ? records : records.filter((one) => kept.has(one));
    next[place] = String((passed.at(-1)?.offset ?? from - 1n) + 1n);
  }
  return { items: shown.map(view), next: cursorOf(next) };
}

/** By time; a sender's clock may go backwards, a partition's order may not. */
function merged(partitions: readonly (readonly LogRecord[])[]): LogRecord[] {
  return partitions
    .flatMap((records) => {
      let latest = Number.NEGATIVE_INFINITY;
      return records.map((record) => {
        latest = Math.max(latest, record.appendedAt.getTime());
        return { record, at: latest };
      });
    })
    .sort((a, b) => a.at - b.at)
    .map(({ record }) => record);
}

function view({ topic, partition, offset, key, value, headers, appendedAt }: LogRecord) {
  const { type, body } = bodyView(topic, value);
  return {
    topic,
    partition,
    offset: String(offset),
    at: appendedAt.toISOString(),
    key,
    type: type ?? headers["message-type"] ?? "",
    messageId: headers["message-id"] ?? "",
    correlationId: headers["correlation-id"] ?? "",
    body,
  };
}

function cursorOf(next: Positions): string {
  return Buffer.from(JSON.stringify(next)).toString("base64url");
}

function positionsIn(cursor: string): Positions {
  try {
    return positions.parse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")));
  } catch {
    throw new HttpProblem("BAD_REQUEST", "Not a cursor of messages.", { field: "after" });
  }
}
