/** Where a consumer stands, for those who only look, such as checks. */
import type { Queryable } from "../database/database.ts";
import { consumerTables } from "./consumer-tables.ts";

export interface ConsumerOfTopic {
  readonly schema: string;
  readonly consumer: string;
  readonly topic: string;
}

/** The next offset by partition; a partition that was never assigned is missing. */
export async function positionsOf(
  db: Queryable,
  { schema, consumer, topic }: ConsumerOfTopic,
): Promise<ReadonlyMap<number, bigint>> {
  const rows = await db.sql<{ part: number; next: bigint }>`
    SELECT part, next FROM ${consumerTables(schema).cursor}
    WHERE consumer = ${consumer} AND topic = ${topic}`;
  return new Map(rows.map(({ part, next }) => [part, next]));
}
