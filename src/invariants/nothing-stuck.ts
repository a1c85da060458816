/** I9: what was begun gets done. Nothing waits in an outbox or in front of a consumer for long. */

import type { Clock } from "#platform/clock";
import { SqlName } from "#platform/database/database";
import type { AnyHandler } from "#platform/messaging/handler";
import { positionsOf } from "#platform/messaging/positions";
import { type Check, type CheckContext, type Finding, found } from "#platform/verify/checks";
import { type Databases, type MessagingSchema, messagingSchemas } from "../stores.ts";

export interface LivenessDeps {
  readonly databases: Databases;
  readonly handlers: Readonly<Record<MessagingSchema, readonly AnyHandler[]>>;
  readonly clock: Clock;
}

/** Nothing waits in an outbox or in front of a consumer for longer than patience allows. */
export function nothingStuck({ databases, handlers, clock }: LivenessDeps): Check {
  return async ({ log, patienceMs }) => {
    const findings: Finding[] = [];
    for (const schema of messagingSchemas) {
      const [row] = await databases[schema].sql<{ n: bigint; old: string | null }>`
        SELECT count(*) AS n, min(id) FILTER (
          WHERE at < clock_timestamp() - ${patienceMs}::int * interval '1 millisecond') AS old
        FROM ${new SqlName(schema, "outbox")}`;
      findings.push({
        id: "I9",
        name: `the outbox of ${schema} drains`,
        checked: row?.n ?? 0n,
        ...found(row?.old ? `message ${row.old} waits` : undefined),
      });
      findings.push(await nothingHeld(databases[schema], schema));
      for (const handler of handlers[schema]) {
        const positions = await positionsOf(databases[schema], {
          schema,
          consumer: handler.name,
          topic: handler.topic.name,
        });
        const overdueBefore = clock.wall().getTime() - patienceMs;
        findings.push(await keepsUp(handler, { log, positions, overdueBefore }));
      }
    }
    return findings;
  };
}

/** A message the log refused waits for a person, and its key behind it. */
async function nothingHeld(
  db: Databases[MessagingSchema],
  schema: MessagingSchema,
): Promise<Finding> {
  const [row] = await db.sql<{ n: bigint; first: string | null }>`
    SELECT count(*) AS n, min(id) AS first FROM ${new SqlName(schema, "outbox_held")}`;
  return {
    id: "I9",
    name: `the log refuses nothing of ${schema}`,
    checked: row?.n ?? 0n,
    ...found(row?.first ? `message ${row.first} is set aside` : undefined),
  };
}

interface Progress extends Pick<CheckContext, "log"> {
  /** The next offset by partition. */
  readonly positions: ReadonlyMap<number, bigint>;
  /** Milliseconds of real time: what the log took before should have been handled. */
  readonly overdueBefore: number;
}

/** The first record a consumer has not passed is young, or there is none. */
async function keepsUp(
  { name, topic }: AnyHandler,
  { log, positions, overdueBefore }: Progress,
): Promise<Finding> {
  let behind = 0n;
  let stuck: string | undefined;
  for (const { partition, low, end } of await log.ends([topic.name])) {
    const next = positions.get(partition) ?? low;
    if (next >= end) continue;
    behind += end - next;
    const [first] = await log.read(topic.name, partition, next, 1);
    if (first && first.appendedAt.getTime() < overdueBefore)
      stuck ??= `${log.nameOf?.(topic.name) ?? topic.name}/${partition}@${next} waits`;
  }
  return { id: "I9", name: `${name} keeps up`, checked: behind, ...found(stuck) };
}
