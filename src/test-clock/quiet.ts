/**
 * Is everything that was begun also done? Lags are read before outboxes and the log's ends again
 * after them: a message on its way between two of them is seen by one.
 */
import { SqlName } from "#platform/database/database";
import type { EventLog, PartitionEnds } from "#platform/messaging/event-log";
import type { AnyHandler } from "#platform/messaging/handler";
import type { Module } from "#platform/module";
import { type Databases, type MessagingSchema, messagingSchemas } from "../stores.ts";

export interface QuietDeps {
  readonly databases: Databases;
  readonly log: EventLog;
  readonly modules: Readonly<Record<MessagingSchema, Module>>;
}

/** What is still under way, in words; empty when all is quiet. Parked messages are at rest. */
export async function underWay({ databases, log, modules }: QuietDeps): Promise<readonly string[]> {
  const topicNames = [
    ...new Set(messagingSchemas.flatMap((name) => modules[name].handlers.map((h) => h.topic.name))),
  ];
  const before = await log.ends(topicNames);
  const found: string[] = [];
  for (const schema of messagingSchemas) {
    const module = modules[schema];
    found.push(...(await lagging(databases, schema, module.handlers, before)));
  }
  for (const schema of messagingSchemas) {
    const [row] = await databases[schema].sql<{ n: bigint }>`
      SELECT count(*) AS n FROM ${new SqlName(schema, "outbox")}`;
    if (row && row.n > 0n) found.push(`${row.n} messages in the outbox of ${schema}`);
    found.push(...((await modules[schema].pending?.())?.due ?? []));
  }
  const after = await log.ends(topicNames);
  if (found.length === 0 && !sameEnds(before, after)) found.push("messages appended meanwhile");
  return found;
}

async function lagging(
  databases: Databases,
  schema: MessagingSchema,
  handlers: readonly AnyHandler[],
  ends: readonly PartitionEnds[],
): Promise<string[]> {
  const rows = await databases[schema].sql<{
    consumer: string;
    topic: string;
    part: number;
    next: bigint;
  }>`SELECT consumer, topic, part, next FROM ${new SqlName(schema, "consumer_cursor")}`;
  const positions = new Map(rows.map((r) => [`${r.consumer} ${r.topic} ${r.part}`, r.next]));
  return handlers.flatMap(({ name, topic }) => {
    const lag = ends
      .filter((end) => end.topic === topic.name)
      .map(
        ({ partition, low, end }) =>
          end - (positions.get(`${name} ${topic.name} ${partition}`) ?? low),
      )
      .reduce((sum, behind) => sum + behind, 0n);
    return lag > 0n ? [`${name} is ${lag} behind`] : [];
  });
}

function sameEnds(before: readonly PartitionEnds[], after: readonly PartitionEnds[]): boolean {
  const ends = new Map(before.map((e) => [`${e.topic} ${e.partition}`, e.end]));
  return after.every((e) => ends.get(`${e.topic} ${e.partition}`) === e.end);
}
