/**
 * Makes the read models anew from the topics, in a schema beside the live one, while queries and
 * live handlers go on; then swaps both in one transaction and sets the live cursors to where the
 * rebuild stands. A handler that was ahead is sent back by its cursor, so nothing is missed.
 */
import type { Message } from "@bufbuild/protobuf";
import { type Database, SqlName, type Tx } from "#platform/database/database";
import { TerminalError } from "#platform/errors";
import type { EventLog, LogRecord } from "#platform/messaging/event-log";
import type { AnyHandler, Batch } from "#platform/messaging/handler";
import { keyOf, receive } from "#platform/messaging/intake";
import type { Logger } from "#platform/telemetry/logger";
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
  /** Escrows left out from where a message could not be applied, as the live handlers leave them. */
  readonly setAside: number;
}

interface Position {
  readonly handler: AnyHandler;
  readonly partition: number;
  next: bigint;
  /** Keys with a message that could not be applied: nothing later of them is. */
  readonly blocked: Set<string>;
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
  const setAside = positions.reduce((sum, { blocked }) => sum + blocked.size, 0);
  return { messages, setAside };
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
        blocked: new Set<string>(),
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
      await db.withTx((tx) => handler.handleBatch(tx, batchOf(position, records)));
      position.next = last.offset + 1n;
      read += BigInt(records.length);
    }
  }
  return read;
}

/** What cannot be read or applied is left out with all that follows of its key, as the live handlers do. */
function batchOf({ handler, blocked }: Position, records: readonly LogRecord[]): Batch<Message> {
  const passing = records.flatMap((record) => {
    const item = receive(handler.topic, record);
    if (item.kind === "unknown") throw item.error;
    if (item.kind === "undecodable") blocked.add(keyOf(record));
    // What came before it passes; the order of the slice decides.
    return item.kind === "message" && !blocked.has(keyOf(record)) ? [item.incoming] : [];
  });
  const failed = new Set<string>();
  return {
    messages: passing,
    each(decide) {
      for (const incoming of passing) {
        if (failed.has(incoming.key)) continue;
        try {
          decide(incoming);
        } catch (error) {
          if (!(error instanceof TerminalError)) throw error;
          failed.add(incoming.key);
          blocked.add(incoming.key);
        }
      }
    },
  };
}

async function swap(tx: Tx, positions: readonly Position[]): Promise<void> {
  const cursor = new SqlName(liveSchema, "consumer_cursor");
  const consumers = [...new Set(positions.map(({ handler }) => handler.name))];
  // Each live batch holds its cursor's row: with all of them locked, none is under way.
  await tx.sql`
    SELECT next FROM ${cursor} WHERE consumer = ANY(${consumers}::text[])
    ORDER BY consumer, topic, part FOR UPDATE`;
  for (const { handler, partition, next, blocked } of positions) {
    await tx.sql`
      UPDATE ${cursor} SET next = ${next}
      WHERE consumer = ${handler.name} AND topic = ${handler.topic.name} AND part = ${partition}`;
    // What was parked below is applied in the new tables.
    await tx.sql`
      DELETE FROM ${new SqlName(liveSchema, "parked")}
      WHERE consumer = ${handler.name} AND topic = ${handler.topic.name} AND part = ${partition}
        AND off < ${next} AND key <> ALL(${[...blocked]}::text[])`;
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
