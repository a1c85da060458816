/**
 * I5 for outcomes: what a client is told about its command is what the events of the topic say. A
 * command's first decision counts, as it does for the projection.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { EventSchema } from "#gen/escrow/v1/events_pb";
import type { Database } from "#platform/database/database";
import type { EventLog, LogRecord } from "#platform/messaging/event-log";
import { type Finding, recordsOf } from "#platform/verify/checks";
import { topics } from "#topics";
import { outcomesOf } from "./command-outcomes.ts";

interface Decided {
  readonly commandId: string;
  /** Status, code and version, as one text. */
  readonly said: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** Only what the consumer has passed, as `passed` says by partition. */
export async function checkAnswers(
  db: Database,
  log: EventLog,
  passed: ReadonlyMap<number, bigint>,
): Promise<Finding> {
  const name = "each outcome is answered as the events say";
  const seen = new Set<string>();
  for await (const records of recordsOf(log, topics.escrowEvents.name, passed)) {
    const decided = records.flatMap(decidedBy).filter(({ commandId }) => !seen.has(commandId));
    for (const { commandId } of decided) seen.add(commandId);
    const wrong = await otherwise(db, decided);
    if (wrong) {
      const counterexample = `command ${wrong} is answered otherwise`;
      return { id: "I5", name, checked: BigInt(seen.size), counterexample };
    }
  }
  return { id: "I5", name, checked: BigInt(seen.size) };
}

/** At most one; a stranger's bytes decide nothing. */
function decidedBy({ value, partition, offset }: LogRecord): Decided[] {
  try {
    return outcomesOf([fromBinary(EventSchema, value)])
      .filter(({ status }) => status !== "pending")
      .map(({ commandId, status, code, version }) => ({
        commandId,
        said: `${status} ${code} ${version}`,
        partition,
        offset,
      }));
  } catch {
    return [];
  }
}

/** An event that is parked has told nobody yet. */
async function otherwise(db: Database, decided: readonly Decided[]): Promise<string | undefined> {
  const [row] = await db.sql<{ id: string }>`
    SELECT d.id FROM unnest(${decided.map((d) => d.commandId)}::text[],
      ${decided.map((d) => d.said)}::text[], ${decided.map((d) => d.partition)}::int[],
      ${decided.map((d) => d.offset)}::bigint[]) AS d(id, said, part, off)
    LEFT JOIN projections.command_outcome o ON o.command_id = d.id
    WHERE concat_ws(' ', o.status, o.code, o.version) IS DISTINCT FROM d.said
      AND NOT EXISTS (SELECT FROM projections.parked p
        WHERE p.consumer = 'projections.escrow-events' AND p.part = d.part AND p.off = d.off)
    ORDER BY d.id LIMIT 1`;
  return row?.id;
}
