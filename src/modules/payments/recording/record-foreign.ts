/**
 * Commits what was read of things no call of ours made: disputes, warnings, others' refunds, payouts.
 * One whose payment is not known yet, or whose deposit is not booked, keeps waiting, with its webhooks,
 * and is read again: nothing that was acknowledged is dropped.
 */
import type { Tx } from "#platform/database/database";
import { loadBooked } from "../deposits.ts";
import { debtEntriesOf } from "../disputes/debt-entries.ts";
import { writtenOffOf } from "../domain/debt-book.ts";
import type { Effect } from "../domain/effect.ts";
import { disputeSeen, foreignSeen, warningSeen } from "../domain/observe-dispute.ts";
import type { BookedDeposit } from "../domain/payment.ts";
import { whileBlocked } from "../domain/taken-while-blocked.ts";
import { type DepositUndone, depositTaken, depositUndoneSeen } from "../domain/undone-deposit.ts";
import { type LockedSurroundings, whileSanctioned } from "../domain/while-locked.ts";
import { createJournal, type Journal, type Root } from "../journal.ts";
import { partyOf, recordPayout } from "../parties/payouts.ts";
import type { ForeignObject, Outcome } from "../provider.ts";
import type { ProviderObjectRow, WriteRow } from "../schema.ts";
import { lockRoots } from "../store.ts";
import { sayToTreasury, type TreasuryNotice } from "../treasury.ts";
import { webhookHandled } from "../webhooks/webhook-handled.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import {
  type DrainedWebhook,
  drainUnmatched,
  linkObjects,
  lockObjects,
  type ObjectKey,
  type ObjectLink,
  pollAt,
} from "./objects.ts";
import { waitedEnough, waitsForPayment } from "./payment-first.ts";
import { schedule } from "./record-reads.ts";
import { loadSurroundings, type SurroundingsOfRoots } from "./surroundings.ts";

export interface ForeignRead {
  readonly row: ProviderObjectRow;
  readonly outcome: Outcome<ForeignObject | undefined>;
  /** Of the read. */
  readonly traceparent?: string | undefined;
}

type Deps = Pick<PaymentWorkerDeps, "clock" | "logger" | "outbox">;
type AboutPayment = Exclude<ForeignObject, { kind: "payout" }>;

export async function recordForeign(
  tx: Tx,
  reads: readonly ForeignRead[],
  deps: Deps,
): Promise<void> {
  const now = deps.clock.now();
  const owners = await ownersOf(tx, reads);
  const current = await lockObjects(tx, [
    ...reads.map(({ row }) => ({ provider: row.provider, objectId: row.object_id })),
    ...[...owners.values()].map(({ payment }) => payment),
  ]);
  const escrowIds = [...owners.values()].map(({ escrowId }) => escrowId);
  const roots = await lockRoots(tx, [...new Set(escrowIds)]);
  const surroundings = await loadSurroundings(tx, [...roots.values()], now);
  const booked = await loadBooked(
    tx,
    [...roots.values()].map(({ escrowNo }) => escrowNo),
  );
  const journal = createJournal({ now });
  const notices: TreasuryNotice[] = [];
  const next: WriteRow[] = [];
  for (const read of reads) {
    const there = current.get(keyOf(read.row)) ?? read.row;
    const root = roots.get(owners.get(keyOf(read.row))?.escrowId ?? "");
    const deposits = booked.get(root?.escrowNo ?? 0n) ?? new Map<string, BookedDeposit>();
    const around = { tx, read, there, root, surroundings, deposits };
    const recording = { ...around, journal, notices, deps, now };
    // Meanwhile a call of ours turned out to have made it.
    const recorded = there.kind === read.row.kind ? await record(recording) : waits;
    next.push(nextRead(recording, recorded));
  }
  await schedule(tx, next);
  await journal.write(tx);
  const said = await sayToTreasury(tx, [...notices, ...journal.notices], now);
  await deps.outbox.enqueue(tx, [...journal.outgoing, ...said]);
}

interface Owner {
  readonly escrowId: string;
  readonly payment: ObjectKey;
}

/** The payments the objects are about, or the transfers, by object; without those that are not known. */
async function ownersOf(
  tx: Tx,
  reads: readonly ForeignRead[],
): Promise<ReadonlyMap<string, Owner>> {
  const about = reads.flatMap(({ row, outcome }) => {
    const object = outcome.kind === "succeeded" ? outcome.value : undefined;
    return object === undefined || object.kind === "payout"
      ? []
      : [{ key: keyOf(row), provider: row.provider, paymentRef: object.paymentRef }];
  });
  if (about.length === 0) return new Map();
  const rows = await tx.sql<{ key: string; escrow_id: string } & ObjectKey>`
    SELECT k.key, o.escrow_id, o.provider, o.object_id AS "objectId"
    FROM unnest(${about.map(({ key }) => key)}::text[], ${about.map((a) => a.provider)}::text[],
      ${about.map(({ paymentRef }) => paymentRef)}::text[]) AS k(key, provider, object_id)
    JOIN payments.provider_object o
      ON o.provider = k.provider AND o.object_id = k.object_id
      AND o.kind IN ('payment', 'transfer')`;
  return new Map(
    rows.map(({ key, escrow_id, provider, objectId }) => {
      return [key, { escrowId: escrow_id, payment: { provider, objectId } }];
    }),
  );
}

interface Recording {
  readonly tx: Tx;
  readonly read: ForeignRead;
  /** The object's row as it is now, locked. */
  readonly there: ProviderObjectRow;
  readonly root: Root | undefined;
  readonly surroundings: SurroundingsOfRoots;
  /** Of the root, as they are booked. */
  readonly deposits: Map<string, BookedDeposit>;
  readonly journal: Journal;
  readonly notices: TreasuryNotice[];
  readonly deps: Deps;
  readonly now: Date;
}

/** `problem`: why it could not be recorded; its neighbours go on. */
interface Recorded {
  /** Whose it is is not known yet, or what it took is not booked. */
  readonly waits: boolean;
  readonly problem: string;
}

const waits: Recorded = { waits: true, problem: "" };
const done: Recorded = { waits: false, problem: "" };

async function record(recording: Recording): Promise<Recorded> {
  const { tx, read, root, notices, now } = recording;
  const { provider } = read.row;
  const object = read.outcome.kind === "succeeded" ? read.outcome.value : undefined;
  if (object === undefined) return waits;
  if (object.kind === "payout") {
    const partyId = await partyOf(tx, provider, object.account);
    if (partyId === undefined) return waits;
    await link(recording, { escrowId: null, partyId });
    notices.push(...(await recordPayout(tx, { provider, partyId, payout: object }, now)));
    return done;
  }
  if (root === undefined) return waits;
  if (await waitsForPayment({ ...recording, object, root })) return waits;
  // A deposit is taken only once: one that was never booked stays a problem.
  if (object.kind !== "deposit_undone") await waitedEnough(tx, recording.there);
  const heard = await link(recording, { escrowId: root.payment.escrowId, partyId: null });
  return apply(recording, root, object, heard.map(webhookHandled));
}

async function link(
  { tx, read, there, now }: Recording,
  whose: Pick<ObjectLink, "escrowId" | "partyId">,
): Promise<readonly DrainedWebhook[]> {
  const { row, outcome } = read;
  if (there.kind !== "unmatched" || outcome.kind !== "succeeded" || !outcome.value) return [];
  const object = { provider: row.provider, objectId: row.object_id };
  const none = { operationId: null, attempt: null, syncDueAt: null };
  const kind = rowKindOf(outcome.value);
  await linkObjects(tx, [{ ...object, kind, ...whose, ...none }]);
  return drainUnmatched(tx, [object], now);
}

/** A row says only how its object is read: a deposit that is gone is read as a foreign movement is. */
function rowKindOf({ kind }: ForeignObject): ObjectLink["kind"] {
  return kind === "deposit_undone" ? "foreign" : kind;
}

async function apply(
  { tx, read, surroundings, deposits, journal, deps }: Recording,
  root: Root,
  object: AboutPayment,
  heard: readonly Effect[],
): Promise<Recorded> {
  const causationId = keyOf(read.row).replace(" ", ":");
  try {
    const decided = await effectsOf(tx, root, object, { surroundings, deposits });
    const effects = [...heard, ...decided.effects];
    journal.apply(root, effects, { correlationId: causationId, causationId });
    surroundings.track(root, effects);
    trackUndone(deposits, effects);
    return decided.waits ? waits : done;
  } catch (error) {
    deps.logger.error({ err: error, object: causationId }, "an object's state cannot be applied");
    const problem = error instanceof Error ? error.message.slice(0, 200) : "";
    return { waits: false, problem: problem || "unknown" };
  }
}

/** The next object of the batch sees what this one took. */
function trackUndone(deposits: Map<string, BookedDeposit>, effects: readonly Effect[]): void {
  for (const effect of effects) {
    const booked = effect.case === "undone" ? deposits.get(effect.depositId) : undefined;
    if (effect.case !== "undone" || booked === undefined) continue;
    deposits.set(effect.depositId, { ...booked, disposition: effect.gone });
  }
}

async function effectsOf(
  tx: Tx,
  root: Root,
  object: AboutPayment,
  { surroundings, deposits }: Pick<Recording, "surroundings" | "deposits">,
): Promise<DepositUndone> {
  const around = surroundings.of(root);
  if (around === undefined) throw new Error("a root without its surroundings");
  if (object.kind === "deposit_undone") {
    const deposit = deposits.get(object.depositId);
    return depositUndoneSeen(root.payment, object, { ...around, deposit });
  }
  const effects = await ofObject(tx, root, object, around);
  const all = whileSanctioned(root.payment, effects, around);
  if (object.kind !== "dispute") return { effects: all, waits: false };
  return { effects: depositTaken(root.payment, object, all, deposits), waits: false };
}

async function ofObject(
  tx: Tx,
  root: Root,
  object: Exclude<AboutPayment, { kind: "deposit_undone" }>,
  around: LockedSurroundings,
): Promise<readonly Effect[]> {
  switch (object.kind) {
    case "dispute": {
      const { objectId } = object;
      const { sellerId } = root.payment;
      const debt = around.disputes.get(objectId)?.debt ?? 0n;
      const writtenOff =
        debt === 0n ? 0n : writtenOffOf(objectId, await debtEntriesOf(tx, sellerId));
      return whileBlocked(root.payment, around.screenings.values(), (payment) =>
        disputeSeen(payment, object, { ...around, writtenOff }),
      );
    }
    case "warning":
      return warningSeen(root.payment, object, around);
    case "foreign":
      return whileBlocked(root.payment, around.screenings.values(), (payment) =>
        foreignSeen(payment, object, around),
      );
    default:
      return object satisfies never;
  }
}

function nextRead({ read, there, now }: Recording, { waits: again, problem }: Recorded): WriteRow {
  const { row, outcome } = read;
  const { provider, object_id } = row;
  const signalled = there.signals !== row.signals || there.kind !== row.kind;
  if (problem !== "") {
    const due = pollAt(now, row.failures);
    return { provider, object_id, sync_due_at: due, failures: row.failures + 1, problem };
  }
  const object = outcome.kind === "succeeded" && !again ? outcome.value : undefined;
  const due = signalled ? now : nextDue(row, object, now);
  return { provider, object_id, sync_due_at: due, failures: 0, problem: "" };
}

/** Two days of doubling, then once a day. */
const triesOfAMonth = 36;
const longestWaitMs = 24 * 3_600_000;

function nextDue(
  row: ProviderObjectRow,
  object: ForeignObject | undefined,
  now: Date,
): Date | null {
  if (object === undefined) {
    const waitMs = Math.min(1_000 * 2 ** Math.min(row.sync_tries, 20), longestWaitMs);
    return new Date(now.getTime() + waitMs);
  }
  switch (object.kind) {
    case "dispute":
      // What a bank decided may be appealed, and money may follow later.
      return pollAt(now, row.sync_tries);
    case "warning":
      return object.open ? pollAt(now, row.sync_tries) : null;
    case "foreign": {
      const final =
        object.movement === "refund" ? object.status === "failed" : object.status !== "pending";
      // One that succeeded may still fail.
      return final || row.sync_tries > triesOfAMonth ? null : pollAt(now, row.sync_tries);
    }
    case "deposit_undone":
      return null;
    case "payout":
      return object.status === "pending" ? pollAt(now, row.sync_tries) : null;
    default:
      return object satisfies never;
  }
}

function keyOf({ provider, object_id }: ProviderObjectRow): string {
  return `${provider} ${object_id}`;
}
