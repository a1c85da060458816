/**
 * Whether every command that was accepted before is decided, for what must not overlook one: asked of the
 * consumers' own positions, whichever process reads. A signed contract counts: it becomes a command.
 */
import type { Clock } from "#platform/clock";
import type { Queryable } from "#platform/database/database";
import { consumerTables } from "#platform/messaging/consumer-tables";
import type { EventLog } from "#platform/messaging/event-log";
import { type ConsumerOfTopic, positionsOf } from "#platform/messaging/positions";
import { topics } from "#topics";

export interface CommandsDecidedDeps {
  readonly db: Queryable;
  readonly log: Pick<EventLog, "ends">;
  readonly clock: Pick<Clock, "monotonicMs" | "sleep">;
}

/** "waiting" when some are not after a few seconds; "set aside" when dead letters are among them. */
export type CommandsDecided = "decided" | "waiting" | "set aside";

const schema = "escrow";
const contracts = {
  schema,
  consumer: "escrow.contracts-events",
  topic: topics.contractsEvents.name,
};
const commands = { schema, consumer: "escrow.commands", topic: topics.escrowCommands.name };
const patienceMs = 5_000;
const lookAgainMs = 20;

export async function commandsDecided(deps: CommandsDecidedDeps): Promise<CommandsDecided> {
  const { db, clock } = deps;
  const untilMs = clock.monotonicMs() + patienceMs;
  const comesTrue = async (look: () => Promise<boolean>): Promise<boolean> => {
    while (!(await look())) {
      if (clock.monotonicMs() > untilMs) return false;
      await clock.sleep(lookAgainMs);
    }
    return true;
  };
  // Along the way of a contract: read, said through the outbox, read as a command.
  const steps = [
    () => isRead(deps, contracts),
    () => isPublished(db),
    () => isRead(deps, commands),
  ];
  for (const step of steps) {
    if (!(await comesTrue(await step()))) return "waiting";
  }
  return (await isSetAside(db)) ? "set aside" : "decided";
}

type Look = () => Promise<boolean>;

/** What the topic has now. */
async function isRead({ db, log }: CommandsDecidedDeps, reader: ConsumerOfTopic): Promise<Look> {
  // What retention has taken away nobody waits for.
  const ends = (await log.ends([reader.topic])).filter(({ low, end }) => low < end);
  return async () => {
    const positions = await positionsOf(db, reader);
    return ends.every(({ partition, end }) => (positions.get(partition) ?? 0n) >= end);
  };
}

/** What the outbox has now; what a row that the log refused keeps back is set aside. */
async function isPublished(db: Queryable): Promise<Look> {
  const [last] = await db.sql<{ pos: bigint | null }>`SELECT max(pos) AS pos FROM escrow.outbox`;
  return async () => {
    const left = await db.sql`
      SELECT FROM escrow.outbox o WHERE o.pos <= ${last?.pos ?? 0n}
        AND NOT EXISTS (SELECT FROM escrow.outbox_held h
          WHERE h.aggregatetype = o.aggregatetype AND h.aggregateid = o.aggregateid)
      LIMIT 1`;
    return left.length === 0;
  };
}

async function isSetAside(db: Queryable): Promise<boolean> {
  const { blockedKey } = consumerTables(schema);
  const readers = [contracts.consumer, commands.consumer];
  const rows = await db.sql`
    (SELECT 1 FROM ${blockedKey} WHERE consumer = ANY(${readers}::text[]) LIMIT 1)
    UNION ALL
    (SELECT 1 FROM escrow.outbox_held LIMIT 1)`;
  return rows.length > 0;
}
