/**
 * Whether every command that was accepted before is decided, for what must not overlook one: asked of the
 * consumer's own position, whichever process reads.
 */
import type { Clock } from "#platform/clock";
import type { Queryable } from "#platform/database/database";
import { consumerTables } from "#platform/messaging/consumer-tables";
import type { EventLog } from "#platform/messaging/event-log";
import { positionsOf } from "#platform/messaging/positions";
import { topics } from "#topics";

export interface CommandsDecidedDeps {
  readonly db: Queryable;
  readonly log: Pick<EventLog, "ends">;
  readonly clock: Pick<Clock, "monotonicMs" | "sleep">;
}

/** "waiting" when some are not after a few seconds; "set aside" when dead letters are among them. */
export type CommandsDecided = "decided" | "waiting" | "set aside";

const reader = { schema: "escrow", consumer: "escrow.commands", topic: topics.escrowCommands.name };
const patienceMs = 5_000;
const lookAgainMs = 20;

export async function commandsDecided(deps: CommandsDecidedDeps): Promise<CommandsDecided> {
  const { db, log, clock } = deps;
  const { blockedKey } = consumerTables(reader.schema);
  const untilMs = clock.monotonicMs() + patienceMs;
  // What retention has taken away nobody waits for.
  const ends = (await log.ends([reader.topic])).filter(({ low, end }) => low < end);
  const passed = async (): Promise<boolean> => {
    const positions = await positionsOf(db, reader);
    return ends.every(({ partition, end }) => (positions.get(partition) ?? 0n) >= end);
  };
  while (!(await passed())) {
    if (clock.monotonicMs() > untilMs) return "waiting";
    await clock.sleep(lookAgainMs);
  }
  const aside = await db.sql`
    SELECT FROM ${blockedKey} WHERE consumer = ${reader.consumer} LIMIT 1`;
  return aside.length > 0 ? "set aside" : "decided";
}
