/**
 * Gathers what the decisions of one transaction mean for the tables and the topic, then writes it
 * with one statement a table. Invariant: an escrow's events are numbered without a gap, and each
 * ledger transaction bears the number of the event that says it.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { FundsChangeSchema } from "#gen/escrow/v1/types_pb";
import { type Event, EventSchema, PaymentCommandRejectedSchema } from "#gen/payments/v1/events_pb";
import { generateEventId, hashFields, sha256Hex } from "#kernel/ids";
import type { Tx } from "#platform/database/database";
import { encodeBytes } from "#platform/database/statement";
import type { Outgoing } from "#platform/messaging/handler";
import { topics } from "#topics";
import type { Cause } from "./cause.ts";
import { undoDeposits } from "./deposits.ts";
import { type DebtMove, moveDebts } from "./disputes/debts.ts";
import { disputeRow, movementRow, writeDisputes } from "./disputes/dispute-rows.ts";
import { requestOf } from "./domain/calls.ts";
import { type Effect, type EventBody, ledgerPosted, type Rejection } from "./domain/effect.ts";
import { evolve } from "./domain/evolve.ts";
import type { Change } from "./domain/funds.ts";
import { keyOf, type Operation, type Payment } from "./domain/payment.ts";
import { watchHoldings } from "./holdings/watch-holdings.ts";
import { insertRows } from "./insert-rows.ts";
import type { Account } from "./ledger/accounts.ts";
import { aimedRefunds } from "./parties/refund-targets.ts";
import { operationChange, paymentRow, text, type WriteRow } from "./schema.ts";
import { screeningRow, writeScreenings } from "./screening/screening-rows.ts";
import type { TreasuryNotice } from "./treasury.ts";

/** A root row, locked in the running transaction. */
export interface Root {
  readonly escrowNo: bigint;
  readonly createdAt: Date;
  readonly stored: boolean;
  payment: Payment;
}

export interface CommandIdentity {
  readonly commandId: string;
  readonly escrowId: string;
  readonly type: string;
  readonly fingerprint: string;
  readonly actorId: string;
}

/** Another request under a known command's id. */
export interface CommandConflict {
  readonly commandId: string;
  readonly fingerprint: string;
  readonly at: Date;
}

export interface Journal {
  /** All of the effects or, when one is impossible, a throw and none. */
  apply(root: Root, effects: readonly Effect[], cause: Cause): void;
  /** A command's one outcome; `root` undefined: no such escrow. */
  outcome(
    command: CommandIdentity,
    root: Root | undefined,
    rejected: Rejection | undefined,
    cause: Cause,
  ): void;
  conflict(conflict: CommandConflict): void;
  write(tx: Tx): Promise<void>;
  /** In the order of the decisions. */
  readonly outgoing: readonly Outgoing[];
  /** What sellers owe now, where it changed; known once it is written. */
  readonly notices: readonly TreasuryNotice[];
}

interface Pages {
  readonly transactions: WriteRow[];
  readonly entries: WriteRow[];
  readonly history: WriteRow[];
  readonly opened: WriteRow[];
  readonly moved: Map<string, WriteRow>;
  readonly deposits: WriteRow[];
  readonly undone: WriteRow[];
  readonly netted: DebtMove[];
  readonly disputes: Map<string, WriteRow>;
  readonly movements: WriteRow[];
  readonly screenings: Map<string, WriteRow>;
  readonly outgoing: Outgoing[];
}

const emptyPages = (): Pages => ({
  transactions: [],
  entries: [],
  history: [],
  opened: [],
  moved: new Map(),
  deposits: [],
  undone: [],
  netted: [],
  disputes: new Map(),
  movements: [],
  screenings: new Map(),
  outgoing: [],
});

export function createJournal({ now }: { readonly now: Date }): Journal {
  const pages = emptyPages();
  const outcomes: WriteRow[] = [];
  const conflicts: CommandConflict[] = [];
  const touched = new Set<Root>();
  const notices: TreasuryNotice[] = [];
  return {
    outgoing: pages.outgoing,
    notices,
    apply: (root, effects, cause) => {
      const fresh = emptyPages();
      let { payment } = root;
      for (const effect of effects) {
        record(fresh, { root, payment, effect, cause, now });
        payment = evolve(payment, effect);
      }
      root.payment = payment;
      touched.add(root);
      append(pages, fresh);
    },
    outcome: (command, root, rejected, cause) => {
      outcomes.push(outcomeRow(command, root, rejected, now));
      if (rejected === undefined) return;
      pages.outgoing.push(outgoing(rejection(command, rejected, cause, now), cause));
    },
    conflict: (conflict) => {
      conflicts.push(conflict);
    },
    write: async (tx) => {
      await insertRows(tx, "ledger_transaction", pages.transactions);
      await insertRows(tx, "entry", pages.entries);
      await writeRoots(tx, [...touched], now);
      await insertRows(tx, "operation", await aimedRefunds(tx, pages.opened));
      await moveOperations(tx, [...pages.moved.values()]);
      await insertRows(tx, "deposit", pages.deposits);
      await watchHoldings(tx, pages.deposits);
      await undoDeposits(tx, pages.undone);
      notices.push(...(await moveDebts(tx, pages.netted)));
      await writeDisputes(tx, [...pages.disputes.values()]);
      await insertRows(tx, "dispute_movement", pages.movements);
      await writeScreenings(tx, [...pages.screenings.values()]);
      await insertRows(tx, "history", pages.history);
      await insertRows(tx, "command_outcome", outcomes);
      await insertConflicts(tx, conflicts);
    },
  };
}

function append(pages: Pages, fresh: Pages): void {
  pages.transactions.push(...fresh.transactions);
  pages.entries.push(...fresh.entries);
  pages.history.push(...fresh.history);
  pages.opened.push(...fresh.opened);
  for (const [id, row] of fresh.moved) pages.moved.set(id, row);
  pages.deposits.push(...fresh.deposits);
  pages.undone.push(...fresh.undone);
  pages.netted.push(...fresh.netted);
  for (const [id, row] of fresh.disputes) pages.disputes.set(id, row);
  pages.movements.push(...fresh.movements);
  for (const [id, row] of fresh.screenings) pages.screenings.set(id, row);
  pages.outgoing.push(...fresh.outgoing);
}

interface Line {
  readonly root: Root;
  /** As it stands before the effect. */
  readonly payment: Payment;
  readonly effect: Effect;
  readonly cause: Cause;
  readonly now: Date;
}

function record(pages: Pages, line: Line): void {
  const { root, payment, effect, now } = line;
  switch (effect.case) {
    case "said":
      speak(pages, line, effect.body, effect.change);
      return;
    case "posted":
      if (effect.transaction.postings.length === 0) return;
      bookRows(pages, line, effect);
      speak(pages, line, ledgerPosted(payment, effect), effect.change);
      return;
    case "opened":
      pages.opened.push(openedRow(line, effect.operation));
      return;
    case "moved":
      pages.moved.set(effect.operation.operationId, operationChange(effect.operation, now));
      return;
    case "deposited":
      pages.deposits.push({
        escrow_no: text(root.escrowNo),
        deposit_id: effect.deposit.depositId,
        provider: payment.provider,
        amount: text(effect.deposit.amount),
        currency: effect.deposit.currency,
        source: effect.deposit.source ?? "",
        disposition: effect.disposition,
        at: now,
      });
      return;
    case "undone":
      pages.undone.push({
        escrow_no: text(root.escrowNo),
        deposit_id: effect.depositId,
        disposition: effect.gone,
      });
      return;
    case "netted":
      pages.netted.push({ ...effect, currency: payment.currency, cause: line.cause });
      return;
    case "disputed":
      pages.disputes.set(effect.dispute.disputeId, disputeRow(root.escrowNo, payment, effect, now));
      if (effect.movement !== undefined) {
        pages.movements.push(movementRow(root.escrowNo, effect.movement, now));
      }
      return;
    case "screened":
      pages.screenings.set(
        effect.screening.reviewId,
        screeningRow(root.escrowNo, payment.escrowId, effect.screening, now),
      );
      return;
    case "set":
      return;
    default:
      effect satisfies never;
  }
}

function bookRows(pages: Pages, line: Line, effect: Extract<Effect, { case: "posted" }>): void {
  const { root, payment, now } = line;
  const number = text(payment.version + 1n);
  const book = { escrow_no: text(root.escrowNo), number };
  const { transaction, reference } = effect;
  const { reason, currency = payment.currency } = transaction;
  pages.transactions.push({ ...book, escrow_id: payment.escrowId, reason, reference, at: now });
  transaction.postings.forEach(({ debit, credit, amount }, index) => {
    const entry = (line: number, { kind, owner }: Account, signed: bigint): WriteRow => ({
      ...book,
      line,
      account: kind,
      owner,
      currency,
      amount: text(signed),
    });
    pages.entries.push(entry(2 * index + 1, debit, amount), entry(2 * index + 2, credit, -amount));
  });
}

function speak(pages: Pages, line: Line, body: EventBody, change: Change | undefined): void {
  const { root, payment, cause, now } = line;
  const version = payment.version + 1n;
  const type = body.value.$typeName;
  const { escrowId, provider } = payment;
  const stateHash = hashFields(version.toString(), cause.causationId);
  const event = create(EventSchema, {
    eventId: generateEventId(escrowId, type, stateHash, now),
    escrowId,
    version,
    correlationId: cause.correlationId,
    causationId: cause.causationId,
    occurredAt: timestampFromDate(now),
    provider,
    ...(change !== undefined && { change: create(FundsChangeSchema, { ...change }) }),
    body,
  });
  pages.history.push({
    escrow_no: text(root.escrowNo),
    version: text(version),
    escrow_id: escrowId,
    event_id: event.eventId,
    type,
    payload: encodeBytes(toBinary(EventSchema, event)),
    at: now,
  });
  pages.outgoing.push(outgoing(event, cause));
}

function outgoing(message: Event, cause: Cause): Outgoing {
  return { topic: topics.paymentsEvents, message, ...cause };
}

function openedRow({ root, payment, cause, now }: Line, operation: Operation): WriteRow {
  const params = JSON.stringify(requestOf(payment, operation));
  const { gross, fee, netted, net, kind, target, depositId, asset } = operation;
  return {
    ...operationChange(operation, now),
    escrow_no: text(root.escrowNo),
    escrow_id: payment.escrowId,
    kind,
    target,
    deposit_id: depositId,
    asset,
    provider: payment.provider,
    number: text(payment.version),
    key: keyOf(operation),
    params: encodeBytes(Buffer.from(params)),
    body_hash: sha256Hex(params),
    lease_until: null,
    gross: text(gross),
    fee: text(fee),
    netted: text(netted),
    net: text(net),
    correlation_id: cause.correlationId,
    causation_id: cause.causationId,
    traceparent: cause.traceparent ?? "",
    created_at: now,
  };
}

function rejection(
  { commandId, escrowId, fingerprint, actorId }: CommandIdentity,
  rejected: Rejection,
  cause: Cause,
  now: Date,
): Event {
  const identity = { commandId, fingerprint, actorId };
  const value = create(PaymentCommandRejectedSchema, { ...identity, ...rejected });
  return create(EventSchema, {
    eventId: generateEventId(escrowId, value.$typeName, commandId, now),
    escrowId,
    correlationId: cause.correlationId,
    causationId: cause.causationId,
    occurredAt: timestampFromDate(now),
    body: { case: "paymentCommandRejected", value },
  });
}

function outcomeRow(
  { commandId, escrowId, type, fingerprint }: CommandIdentity,
  root: Root | undefined,
  rejected: Rejection | undefined,
  now: Date,
): WriteRow {
  return {
    escrow_no: text(root?.escrowNo ?? 0n),
    command_id: commandId,
    escrow_id: escrowId,
    type,
    status: rejected === undefined ? "succeeded" : "rejected",
    code: rejected?.code ?? "",
    fingerprint,
    at: now,
  };
}

async function insertConflicts(tx: Tx, conflicts: readonly CommandConflict[]): Promise<void> {
  if (conflicts.length === 0) return;
  await tx.sql`
    INSERT INTO payments.command_conflict (command_id, fingerprint, at)
    SELECT * FROM unnest(${conflicts.map((c) => c.commandId)}::text[],
      ${conflicts.map((c) => c.fingerprint)}::text[], ${conflicts.map((c) => c.at)}::timestamptz[])
    ON CONFLICT (command_id, fingerprint) DO NOTHING`;
}

/** After the entries: the database compares the balances with them. */
async function writeRoots(tx: Tx, roots: readonly Root[], now: Date): Promise<void> {
  const rowOf = ({ escrowNo, payment, createdAt }: Root) =>
    paymentRow(escrowNo, payment, createdAt, now);
  await insertRows(tx, "payment", roots.filter(({ stored }) => !stored).map(rowOf));
  const changed = roots.filter(({ stored }) => stored).map(rowOf);
  if (changed.length === 0) return;
  await tx.sql`
    UPDATE payments.payment p SET
      version = n.version, status = n.status, provider_ref = n.provider_ref,
      instructions = n.instructions, last_error = n.last_error, provider_fee = n.provider_fee,
      cancelled = n.cancelled, frozen = n.frozen, sanctioned = n.sanctioned,
      in_review = n.in_review, seller_waiting = n.seller_waiting,
      provider_waiting = n.provider_waiting, chargeback_liability = n.chargeback_liability,
      funded = n.funded, pending = n.pending, held = n.held, reserved = n.reserved,
      released = n.released, refunded = n.refunded, fees = n.fees,
      charged_back = n.charged_back, blocked = n.blocked, updated_at = n.updated_at
    FROM jsonb_populate_recordset(NULL::payments.payment, ${JSON.stringify(changed)}::jsonb) n
    WHERE p.escrow_no = n.escrow_no`;
}

async function moveOperations(tx: Tx, rows: readonly WriteRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.sql`
    UPDATE payments.operation o SET
      attempt = n.attempt, key = n.key, state = n.state, due_at = n.due_at, lease_until = NULL,
      tries = n.tries, lookups = n.lookups, absent_before = n.absent_before,
      first_sent_at = n.first_sent_at, object_id = n.object_id, code = n.code, updated_at = n.updated_at
    FROM jsonb_populate_recordset(NULL::payments.operation, ${JSON.stringify(rows)}::jsonb) n
    WHERE o.operation_id = n.operation_id`;
}
