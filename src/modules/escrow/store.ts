/**
 * The escrow module's rows: escrows locked in id order, and one batch's states, history, outcomes
 * and timers written with a handful of multi-row statements. A batch of 250 commands costs the
 * same round trips as one.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Event } from "#gen/escrow/v1/events_pb";
import { type Escrow, EscrowSchema, type Timer, TimerSchema } from "#gen/escrow/v1/types_pb";
import type { Database, Tx } from "#platform/database/database";
import { packBytes } from "#platform/database/packed-bytes";

export interface StoredEscrow {
  readonly no: bigint;
  /** The last number of payments.events applied. */
  readonly seenPayments: bigint;
  readonly escrow: Escrow;
}

export interface SaidEvent {
  readonly event: Event;
  /** As it goes to the topic. */
  readonly bytes: Uint8Array;
}

/** What one batch changed about one escrow. */
export interface EscrowChange {
  readonly escrowId: string;
  readonly stored: StoredEscrow | undefined;
  readonly escrow: Escrow;
  readonly seenPayments: bigint;
  readonly events: readonly SaidEvent[];
  readonly at: Date;
}

export interface BatchResult {
  /** The escrows the batch locked. */
  readonly stored: ReadonlyMap<string, StoredEscrow>;
  readonly changes: readonly EscrowChange[];
  readonly outcomes: readonly CommandOutcome[];
  readonly conflicts: readonly CommandConflict[];
}

export interface CommandOutcome {
  readonly escrowId: string;
  readonly commandId: string;
  readonly fingerprint: string;
  readonly version: bigint;
  readonly rejection?: SaidEvent;
}

export interface CommandConflict {
  readonly commandId: string;
  readonly fingerprint: string;
  readonly at: Date;
}

/** Number under which outcomes of unknown escrows stand. */
const unknownEscrowNo = 0n;

/** Locks the escrows that exist, in id order, so that two transactions cannot wait for each other. */
export async function lockEscrows(
  tx: Tx,
  ids: readonly string[],
): Promise<Map<string, StoredEscrow>> {
  const rows = await tx.sql<{
    id: string;
    no: bigint;
    seen_payments: bigint;
    snapshot: Uint8Array;
  }>`
    SELECT id, no, seen_payments, snapshot FROM escrow.escrow
    WHERE id = ANY(${ids}::text[]) ORDER BY id FOR UPDATE`;
  return new Map(
    rows.map((row) => [
      row.id,
      {
        no: row.no,
        seenPayments: row.seen_payments,
        escrow: fromBinary(EscrowSchema, row.snapshot),
      },
    ]),
  );
}

/** One escrow as it stands, without a lock: for what is asked, not decided. */
export async function readEscrow(db: Database, id: string): Promise<StoredEscrow | undefined> {
  const [row] = await db.sql<{ no: bigint; seen_payments: bigint; snapshot: Uint8Array }>`
    SELECT no, seen_payments, snapshot FROM escrow.escrow WHERE id = ${id}`;
  if (!row) return undefined;
  const { no, seen_payments: seenPayments, snapshot } = row;
  return { no, seenPayments, escrow: fromBinary(EscrowSchema, snapshot) };
}

/**
 * Fingerprints of the commands that have their outcome already. A statement of its own, after the
 * locks: one that waited for a writer would show rows older than the lock. Two lookups each, since
 * the planner answers an OR by reading all outcomes there ever were.
 */
export async function knownCommands(
  tx: Tx,
  commands: readonly { escrowId: string; commandId: string }[],
  stored: ReadonlyMap<string, StoredEscrow>,
): Promise<Map<string, string>> {
  const rows = await tx.sql<{ command_id: string; fingerprint: string }>`
    SELECT o.command_id, o.fingerprint
    FROM unnest(${commands.map((c) => stored.get(c.escrowId)?.no ?? unknownEscrowNo)}::bigint[],
                ${commands.map((c) => c.commandId)}::text[]) AS k(no, command_id)
    CROSS JOIN LATERAL (
      SELECT c.command_id, c.fingerprint FROM escrow.command_outcome c
      WHERE c.escrow_no = k.no AND c.command_id = k.command_id
      UNION ALL
      SELECT c.command_id, c.fingerprint FROM escrow.command_outcome c
      WHERE c.escrow_no = ${unknownEscrowNo} AND k.no <> ${unknownEscrowNo}
        AND c.command_id = k.command_id
    ) AS o`;
  return new Map(rows.map((row) => [row.command_id, row.fingerprint]));
}

/** Writes a batch. Resolves once the database accepted every constraint but those of COMMIT. */
export async function saveBatch(tx: Tx, result: BatchResult): Promise<void> {
  const { stored, changes, outcomes, conflicts } = result;
  const numbers = new Map([...stored].map(([id, { no }]) => [id, no]));
  const fresh = changes.filter((change) => !change.stored);
  for (const [id, no] of await insertNew(tx, fresh)) numbers.set(id, no);
  await Promise.all([
    updateKnown(
      tx,
      changes.filter((change) => change.stored),
    ),
    insertHistory(tx, changes, numbers),
    insertOutcomes(tx, outcomes, numbers),
    rewriteTimers(tx, changes.filter(timersMoved), numbers),
    insertConflicts(tx, conflicts),
  ]);
}

async function insertNew(tx: Tx, changes: readonly EscrowChange[]): Promise<Map<string, bigint>> {
  if (changes.length === 0) return new Map();
  const columns = columnsOf(changes);
  const rows = await tx.sql<{ id: string; no: bigint }>`
    INSERT INTO escrow.escrow (id, version, seen_payments, buyer_id, seller_id, currency, snapshot,
      funded, pending, held, reserved, released, refunded, fees, charged_back, blocked, updated_at)
    SELECT id, version, seen, buyer, seller, currency,
      substring(${columns.snapshots.bytes}::bytea FROM at FOR size),
      funded, pending, held, reserved, released, refunded, fees, charged_back, blocked, updated
    FROM unnest(${columns.ids}::text[], ${columns.versions}::bigint[], ${columns.seen}::bigint[],
      ${changes.map((c) => c.escrow.terms?.buyerId ?? "")}::text[],
      ${changes.map((c) => c.escrow.terms?.sellerId ?? "")}::text[],
      ${changes.map((c) => c.escrow.terms?.amount?.currency ?? "")}::text[],
      ${columns.snapshots.at}::int[], ${columns.snapshots.sizes}::int[], ${columns.funded}::bigint[], ${columns.pending}::bigint[],
      ${columns.held}::bigint[], ${columns.reserved}::bigint[], ${columns.released}::bigint[],
      ${columns.refunded}::bigint[], ${columns.fees}::bigint[], ${columns.chargedBack}::bigint[],
      ${columns.blocked}::bigint[], ${columns.updatedAt}::timestamptz[])
      AS c(id, version, seen, buyer, seller, currency, at, size, funded, pending, held, reserved,
        released, refunded, fees, charged_back, blocked, updated)
    RETURNING id, no`;
  return new Map(rows.map((row) => [row.id, row.no]));
}

async function updateKnown(tx: Tx, changes: readonly EscrowChange[]): Promise<void> {
  if (changes.length === 0) return;
  const columns = columnsOf(changes);
  await tx.sql`
    UPDATE escrow.escrow e SET version = c.version, seen_payments = c.seen,
      snapshot = substring(${columns.snapshots.bytes}::bytea FROM c.at FOR c.size), funded = c.funded, pending = c.pending, held = c.held,
      reserved = c.reserved, released = c.released, refunded = c.refunded, fees = c.fees,
      charged_back = c.charged_back, blocked = c.blocked, updated_at = c.updated
    FROM unnest(${columns.ids}::text[], ${columns.versions}::bigint[], ${columns.seen}::bigint[],
      ${columns.snapshots.at}::int[], ${columns.snapshots.sizes}::int[], ${columns.funded}::bigint[], ${columns.pending}::bigint[],
      ${columns.held}::bigint[], ${columns.reserved}::bigint[], ${columns.released}::bigint[],
      ${columns.refunded}::bigint[], ${columns.fees}::bigint[], ${columns.chargedBack}::bigint[],
      ${columns.blocked}::bigint[], ${columns.updatedAt}::timestamptz[])
      AS c(id, version, seen, at, size, funded, pending, held, reserved, released, refunded, fees,
        charged_back, blocked, updated)
    WHERE e.id = c.id`;
}

function columnsOf(changes: readonly EscrowChange[]) {
  const funds = changes.map((change) => change.escrow.funds);
  return {
    ids: changes.map((change) => change.escrowId),
    versions: changes.map((change) => change.escrow.version),
    seen: changes.map((change) => change.seenPayments),
    snapshots: packBytes(changes.map((change) => toBinary(EscrowSchema, change.escrow))),
    funded: funds.map((f) => f?.funded ?? 0n),
    pending: funds.map((f) => f?.pending ?? 0n),
    held: funds.map((f) => f?.held ?? 0n),
    reserved: funds.map((f) => f?.reserved ?? 0n),
    released: funds.map((f) => f?.released ?? 0n),
    refunded: funds.map((f) => f?.refunded ?? 0n),
    fees: funds.map((f) => f?.fees ?? 0n),
    chargedBack: funds.map((f) => f?.chargedBack ?? 0n),
    blocked: funds.map((f) => f?.blocked ?? 0n),
    updatedAt: changes.map((change) => change.at),
  };
}

async function insertHistory(
  tx: Tx,
  changes: readonly EscrowChange[],
  numbers: ReadonlyMap<string, bigint>,
): Promise<void> {
  const rows = changes.flatMap(({ escrowId, events }) =>
    events.map((said) => ({ no: numberOf(numbers, escrowId), ...said })),
  );
  if (rows.length === 0) return;
  const payloads = packBytes(rows.map((row) => row.bytes));
  await tx.sql`
    INSERT INTO escrow.history (escrow_no, version, event_id, payload)
    SELECT no, version, event_id, substring(${payloads.bytes}::bytea FROM at FOR size)
    FROM unnest(${rows.map((row) => row.no)}::bigint[],
      ${rows.map((row) => row.event.version)}::bigint[],
      ${rows.map((row) => row.event.eventId)}::text[],
      ${payloads.at}::int[], ${payloads.sizes}::int[])
      AS h(no, version, event_id, at, size)`;
}

async function insertOutcomes(
  tx: Tx,
  outcomes: readonly CommandOutcome[],
  numbers: ReadonlyMap<string, bigint>,
): Promise<void> {
  if (outcomes.length === 0) return;
  await tx.sql`
    INSERT INTO escrow.command_outcome (escrow_no, command_id, fingerprint, version, rejection)
    SELECT no, command_id, fingerprint, version, decode(rejection, 'hex')
    FROM unnest(${outcomes.map((o) => numbers.get(o.escrowId) ?? unknownEscrowNo)}::bigint[],
      ${outcomes.map((o) => o.commandId)}::text[], ${outcomes.map((o) => o.fingerprint)}::text[],
      ${outcomes.map((o) => o.version)}::bigint[],
      ${outcomes.map((o) => o.rejection?.bytes.toHex() ?? null)}::text[])
      AS o(no, command_id, fingerprint, version, rejection)`;
}

async function insertConflicts(tx: Tx, conflicts: readonly CommandConflict[]): Promise<void> {
  if (conflicts.length === 0) return;
  await tx.sql`
    INSERT INTO escrow.command_conflict (command_id, fingerprint, at)
    SELECT * FROM unnest(${conflicts.map((c) => c.commandId)}::text[],
      ${conflicts.map((c) => c.fingerprint)}::text[], ${conflicts.map((c) => c.at)}::timestamptz[])
    ON CONFLICT DO NOTHING`;
}

async function rewriteTimers(
  tx: Tx,
  changes: readonly EscrowChange[],
  numbers: ReadonlyMap<string, bigint>,
): Promise<void> {
  if (changes.length === 0) return;
  const known = changes.flatMap((change) => (change.stored ? [change.stored.no] : []));
  if (known.length > 0) {
    await tx.sql`DELETE FROM escrow.timer WHERE escrow_no = ANY(${known}::bigint[])`;
  }
  const rows = changes.flatMap(({ escrowId, escrow }) =>
    escrow.timers.map((timer, slot) => ({
      no: numberOf(numbers, escrowId),
      slot,
      escrowId,
      timer,
    })),
  );
  if (rows.length === 0) return;
  const timers = packBytes(rows.map((row) => toBinary(TimerSchema, row.timer)));
  await tx.sql`
    INSERT INTO escrow.timer (escrow_no, slot, escrow_id, timer, due_at, paused)
    SELECT no, slot, escrow_id, substring(${timers.bytes}::bytea FROM at FOR size), due_at, paused
    FROM unnest(${rows.map((row) => row.no)}::bigint[], ${rows.map((row) => row.slot)}::int[],
      ${rows.map((row) => row.escrowId)}::text[],
      ${timers.at}::int[], ${timers.sizes}::int[],
      ${rows.map((row) => dueAt(row.timer))}::timestamptz[],
      ${rows.map((row) => row.timer.paused)}::boolean[])
      AS t(no, slot, escrow_id, at, size, due_at, paused)`;
}

function timersMoved({ stored, escrow }: EscrowChange): boolean {
  // Evolve keeps the array's identity while no timer moves.
  return stored?.escrow.timers !== escrow.timers;
}

function dueAt(timer: Timer): Date {
  if (!timer.dueAt) throw new Error("a timer without an instant");
  return timestampDate(timer.dueAt);
}

function numberOf(numbers: ReadonlyMap<string, bigint>, escrowId: string): bigint {
  const no = numbers.get(escrowId);
  if (no === undefined) throw new Error(`escrow ${escrowId} has no number`);
  return no;
}
