/** Does what was committed leave for the log? Asked of the tables, whoever publishes. */
import { SqlName } from "#platform/database/database";
import { type MessagingSchema, messagingSchemas, type Stores } from "../stores.ts";
import { doubt, type Finding, well } from "./finding.ts";

/** Longer than a connector that is restarted, or the relay behind it, may take. */
const longMs = 180_000;

const stuckRemedy =
  "OutboxStuck: does a process with the role outbox run and is it ready (/readyz), is the log there, " +
  "can its topics be written (app topics --dry-run)?";

export async function examineOutboxes({ databases }: Stores): Promise<Finding[]> {
  const each = await Promise.all(
    messagingSchemas.map((schema) => examineOutbox(databases, schema)),
  );
  const found = each.flat();
  return found.length > 0 ? found : [well("outbox", "what was said has left for the log")];
}

async function examineOutbox(
  databases: Stores["databases"],
  schema: MessagingSchema,
): Promise<Finding[]> {
  const [row] = await databases[schema].sql<{ waiting: bigint; first: string; held: bigint }>`
    SELECT count(*) AS waiting, coalesce(min(aggregatetype || ' ' || id), '') AS first,
           (SELECT count(*) FROM ${new SqlName(schema, "outbox_held")}) AS held
    FROM ${new SqlName(schema, "outbox")}
    WHERE at < clock_timestamp() - ${longMs}::int * interval '1 millisecond'`;
  const { waiting = 0n, first = "", held = 0n } = row ?? {};
  const stuck = `${waiting} messages of ${schema} have waited for minutes, among them ${first}`;
  const refused = `the log has refused ${held} messages of ${schema}`;
  return [
    ...(waiting > 0n ? [doubt("outbox", stuck, stuckRemedy)] : []),
    ...(held > 0n ? [doubt("outbox", refused, "app outbox list, then app outbox retry")] : []),
  ];
}
