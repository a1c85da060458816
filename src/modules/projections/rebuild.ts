/**
 * Makes the read models anew from the topics, in a schema beside the live one, while queries and
 * live handlers go on; then swaps both in one transaction and sets the live cursors to where the
 * rebuild stands. A handler that was ahead is sent back by its cursor, so nothing is missed.
 */
import type { Message } from "@bufbuild/protobuf";
import { type Database, SqlName, type Tx } from "#platform/database";
import type { Logger } from "#platform/logger";
import { decode } from "#platform/messaging/codec";
import type { EventLog } from "#platform/messaging/event-log";
import type { AnyHandler, Batch, Incoming } from "#platform/messaging/handler";
import { projectionHandlers } from "./consumers.ts";
import { liveSchema, readModels, readModelsIn } from "./tables.ts";

const freshSchema = "projections_rebuild";
const retiredSchema = "projections_retired";
const sliceSize = 500;

export interface RebuildDeps {
  readonly db: Database;
  readonly log: EventLog;
  readonly logger: Logger;
}

export interface RebuildReport {
  readonly messages: bigint;
}

interface Position {
  readonly handler: AnyHandler;
  readonly partition: number;
  next: bigint;
}

/** One at a time: a second rebuild that starts throws away what the first has filled. */
export async function rebuild({ db, log, logger }: RebuildDeps): Promise<RebuildReport> {
  await createFreshTables(db);
  const positions = await startPositions(log);
  let messages = 0n;
  for (;;) {
    const read = await catchUp(db, log, positions);
    messages += read;
    logger.info({ messages: String(messages) }, "rebuild goes on");
    if (read === 0n) break;
  }
  await db.withTx((tx) => swap(tx, positions));
  return { messages };
}

async function createFreshTables(db: Database): Promise<void> {
  const fresh = readModelsIn(freshSchema);
  const live = readModelsIn(liveSchema);
  const definitions = readModels.map(
    (name) => `CREATE TABLE ${fresh[name].text} (LIKE ${live[name].text} INCLUDING ALL);`,
  );
  await db.withTx((tx) =>
    tx.script(`DROP SCHEMA IF EXISTS ${freshSchema} CASCADE; CREATE SCHEMA ${freshSchema};
      ${definitions.join("\n")}`),
  );
}

async function startPositions(log: EventLog): Promise<Position[]> {
  const handlers: AnyHandler[] = Object.values(projectionHandlers(readModelsIn(freshSchema)));
  const perHandler = await Promise.all(
    handlers.map(async (handler) =>
      (await log.ends([handler.topic.name])).map(({ partition, low }) => ({
        handler,
        partition,
        next: low,
      })),
    ),
  );
  return perHandler.flat();
}

/** Applies everything the log has now; the number of messages read. */
async function catchUp(
  db: Database,
  log: EventLog,
  positions: readonly Position[],
): Promise<bigint> {
  let read = 0n;
  for (const position of positions) {
    const { handler, partition } = position;
    for (;;) {
      const records = await log.read(handler.topic.name, partition, position.next, sliceSize);
      const last = records.at(-1);
      if (!last) break;
      const messages = records.map((record) => decode(handler.topic, record));
      await db.withTx((tx) => handler.handleBatch(tx, batchOf(messages)));
      position.next = last.offset + 1n;
      read += BigInt(records.length);
    }
  }
  return read;
}

/** A message that fails stops the rebuild: the live tables stay as they are. */
function batchOf(messages: readonly Incoming<Message>[]): Batch<Message> {
  return { messages, each: (decide) => messages.forEach(decide) };
}

async function swap(tx: Tx, positions: readonly Position[]): Promise<void> {
  const cursor = new SqlName(liveSchema, "consumer_cursor");
  const consumers = [...new Set(positions.map(({ handler }) => handler.name))];
  // Each live batch holds its cursor's row: with all of them locked, none is under way.
  await tx.sql`
    SELECT next FROM ${cursor} WHERE consumer = ANY(${consumers}::text[])
    ORDER BY consumer, topic, part FOR UPDATE`;
  for (const { handler, partition, next } of positions) {
    await tx.sql`
      UPDATE ${cursor} SET next = ${next}
      WHERE consumer = ${handler.name} AND topic = ${handler.topic.name} AND part = ${partition}`;
    // What was parked below is applied in the new tables.
    await tx.sql`
      DELETE FROM ${new SqlName(liveSchema, "parked")}
      WHERE consumer = ${handler.name} AND topic = ${handler.topic.name} AND part = ${partition}
        AND off < ${next}`;
  }
  await tx.sql`
    DELETE FROM ${new SqlName(liveSchema, "blocked_key")} b
    WHERE NOT EXISTS (SELECT FROM ${new SqlName(liveSchema, "parked")} p
      WHERE p.consumer = b.consumer AND p.key = b.key)`;
  await tx.script(`DROP SCHEMA IF EXISTS ${retiredSchema} CASCADE; CREATE SCHEMA ${retiredSchema};
    ${readModels.map(moveTables).join("\n")}
    DROP SCHEMA ${retiredSchema} CASCADE; DROP SCHEMA ${freshSchema}`);
}

function moveTables(name: string): string {
  return `ALTER TABLE ${liveSchema}.${name} SET SCHEMA ${retiredSchema};
    ALTER TABLE ${freshSchema}.${name} SET SCHEMA ${liveSchema};`;
}
