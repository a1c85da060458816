/**
 * The escrow module's invariants on its own tables and topics: funds that add up and equal the fold
 * of the history, versions without a gap, one outcome per command, nothing lost between history
 * and topic.
 */
import { equals, fromBinary } from "@bufbuild/protobuf";
import { CommandSchema } from "#gen/escrow/v1/commands_pb";
import { type Event, EventSchema } from "#gen/escrow/v1/events_pb";
import { type Escrow, EscrowSchema } from "#gen/escrow/v1/types_pb";
import type { Database } from "#platform/database/database";
import { TerminalError } from "#platform/errors";
import type { EventLog } from "#platform/messaging/event-log";
import { checkEventTopic, historySlices, waitingIds } from "#platform/verify/check-events";
import { checkHeldBack } from "#platform/verify/check-held-back";
import { checkOutcomes } from "#platform/verify/check-outcomes";
import { type Check, type Finding, found, sliceSize } from "#platform/verify/checks";
import { topics } from "#topics";
import { evolve } from "./domain/evolve.ts";
import { systemActor } from "./system-actor.ts";

export function escrowChecks(db: Database): readonly Check[] {
  return [
    async () => [await checkFunds(db)],
    async () => [await checkFold(db)],
    async ({ log }) => [await checkCommands(db, log)],
    ({ log }) => checkTopic(db, log),
    async ({ patienceMs }) => [
      await checkHeldBack(db, { schema: "escrow", table: "escrow", key: "id" }, patienceMs),
    ],
  ];
}

/** I1: the columns keep the equation, whatever the constraint says. */
async function checkFunds(db: Database): Promise<Finding> {
  const [row] = await db.sql<{ checked: bigint; wrong: string | null }>`
    SELECT count(*) AS checked, min(id) FILTER (
      WHERE funded <> pending + held + reserved + released + refunded + fees + charged_back + blocked
        OR least(pending, held, reserved, released, refunded, fees, charged_back, blocked) < 0
    ) AS wrong FROM escrow.escrow`;
  return {
    id: "I1",
    name: "each escrow's funds keep the conservation equation",
    checked: row?.checked ?? 0n,
    ...found(row?.wrong ? `escrow ${row.wrong}` : undefined),
  };
}

interface StoredRow {
  readonly no: bigint;
  readonly id: string;
  readonly version: bigint;
  readonly snapshot: Uint8Array;
  readonly funds: string;
}

/** I7: state = fold of the history, version by version, and the columns are the state's. */
async function checkFold(db: Database): Promise<Finding> {
  let checked = 0n;
  let after = 0n;
  for (;;) {
    const rows = await db.sql<StoredRow>`
      SELECT no, id, version, snapshot, concat_ws(',', funded, pending, held, reserved, released,
        refunded, fees, charged_back, blocked) AS funds
      FROM escrow.escrow WHERE no > ${after} ORDER BY no LIMIT ${sliceSize}`;
    const last = rows.at(-1);
    if (!last) break;
    const histories = await historiesOf(db, rows);
    for (const row of rows) {
      const wrong = foldMismatch(row, histories.get(row.no) ?? []);
      checked += 1n;
      if (wrong) return { ...foldFinding(checked), counterexample: `escrow ${row.id}: ${wrong}` };
    }
    after = last.no;
  }
  return { ...foldFinding(checked), ...found(await orphan(db)) };
}

/** A history whose escrow is gone. */
async function orphan(db: Database): Promise<string | undefined> {
  const [row] = await db.sql<{ no: bigint | null }>`
    SELECT min(escrow_no) AS no FROM escrow.history h
    WHERE NOT EXISTS (SELECT FROM escrow.escrow e WHERE e.no = h.escrow_no)`;
  return typeof row?.no === "bigint" ? `history ${row.no} has no escrow` : undefined;
}

function foldFinding(checked: bigint): Finding {
  return { id: "I7", name: "each escrow is the fold of its history, without a gap", checked };
}

async function historiesOf(
  db: Database,
  rows: readonly StoredRow[],
): Promise<Map<bigint, Uint8Array[]>> {
  const entries = await db.sql<{ escrow_no: bigint; payload: Uint8Array }>`
    SELECT escrow_no, payload FROM escrow.history
    WHERE escrow_no = ANY(${rows.map((row) => row.no)}::bigint[]) ORDER BY escrow_no, version`;
  const histories = new Map<bigint, Uint8Array[]>();
  for (const { escrow_no, payload } of entries) {
    const history = histories.get(escrow_no) ?? [];
    history.push(payload);
    histories.set(escrow_no, history);
  }
  return histories;
}

/** Bytes that do not decode are damage to name, not a reason to end. */
function foldMismatch(row: StoredRow, payloads: readonly Uint8Array[]): string | undefined {
  try {
    return mismatch(
      row,
      payloads.map((payload) => fromBinary(EventSchema, payload)),
    );
  } catch (error) {
    return `does not decode: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function mismatch(row: StoredRow, history: readonly Event[]): string | undefined {
  // An escrow may have moved between the two reads: what came after the row is not its history.
  const upTo = history.filter((event) => event.version <= row.version);
  const gap = upTo.findIndex((event, index) => event.version !== BigInt(index + 1));
  if (gap >= 0 || BigInt(upTo.length) !== row.version)
    return `version ${row.version} is not its history's`;
  const stored = fromBinary(EscrowSchema, row.snapshot);
  try {
    const folded = upTo.reduce<Escrow | undefined>(fold, undefined);
    if (!folded || !equals(EscrowSchema, folded, stored)) return "state differs from its history";
  } catch (error) {
    return `history does not fold: ${error instanceof Error ? error.message : String(error)}`;
  }
  const { funds } = stored;
  const columns = funds
    ? [
        funds.funded,
        funds.pending,
        funds.held,
        funds.reserved,
        funds.released,
        funds.refunded,
        funds.fees,
        funds.chargedBack,
        funds.blocked,
      ].join(",")
    : "";
  return columns === row.funds ? undefined : "columns differ from the state";
}

function fold(state: Escrow | undefined, event: Event): Escrow {
  const { body, escrowId, occurredAt, actor } = event;
  if (body.case === undefined || body.case === "commandRejected" || !occurredAt) {
    throw new TerminalError(`event ${event.eventId} cannot stand in a history`);
  }
  return evolve(state, body, { escrowId, occurredAt, actor: actor ?? systemActor });
}

function checkCommands(db: Database, log: EventLog): Promise<Finding> {
  return checkOutcomes(db, log, {
    schema: "escrow",
    consumer: "escrow.commands",
    topic: topics.escrowCommands.name,
    name: "each command has one outcome, is parked or was discarded",
    read: (value) => fromBinary(CommandSchema, value),
    async numbersOf(escrowIds) {
      const rows = await db.sql<{ id: string; no: bigint }>`
        SELECT id, no FROM escrow.escrow WHERE id = ANY(${escrowIds}::text[])`;
      return new Map(rows.map(({ id, no }) => [id, no]));
    },
  });
}

function checkTopic(db: Database, log: EventLog): Promise<readonly Finding[]> {
  return checkEventTopic(log, {
    topic: topics.escrowEvents,
    decode: (value) => fromBinary(EventSchema, value),
    versionOf: ({ version, body }) => (body.case === "commandRejected" ? 0n : version),
    history: () => said(db),
    waiting: () => waitingIds(db, "escrow"),
  });
}

/** Accepted events stand in the history, rejections with their command's outcome. */
async function* said(db: Database) {
  yield* historySlices(db, "escrow");
  let [no, after] = [-1n, ""];
  for (;;) {
    const rows = await db.sql<{ escrow_no: bigint; command_id: string; rejection: Uint8Array }>`
      SELECT escrow_no, command_id, rejection FROM escrow.command_outcome
      WHERE (escrow_no, command_id) > (${no}::bigint, ${after}) AND rejection IS NOT NULL
      ORDER BY escrow_no, command_id LIMIT ${sliceSize}`;
    const last = rows.at(-1);
    if (!last) return;
    yield rows.map(({ rejection }) => ({
      id: fromBinary(EventSchema, rejection).eventId,
      payload: rejection,
    }));
    [no, after] = [last.escrow_no, last.command_id];
  }
}
