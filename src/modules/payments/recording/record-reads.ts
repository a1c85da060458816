/**
 * Commits what objects were when they were read: postings, events, and when each is read again. A
 * state that cannot be applied is never forgotten: its object keeps the problem, for a person, and
 * is read again later and later until it can.
 */
import type { Tx } from "#platform/database/database";
import { loadGone } from "../deposits.ts";
import { assertReplaced } from "../domain/contradiction.ts";
import { observe, type Seen } from "../domain/observe.ts";
import { isLocked, type Operation } from "../domain/payment.ts";
import { whileLocked } from "../domain/while-locked.ts";
import { createJournal, type Root } from "../journal.ts";
import type { Outcome, ProviderAccount, ProviderObject } from "../provider.ts";
import {
  type OperationRow,
  operationOf,
  type ProviderObjectRow,
  type WriteRow,
} from "../schema.ts";
import { loadDeposits, loadOperations, lockRoots } from "../store.ts";
import { sayToTreasury } from "../treasury.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { bookedByObject } from "./booked.ts";
import { lockObjects, pollAt } from "./objects.ts";
import { paymentsWereRead, waitingFor } from "./payment-first.ts";
import { updateAccount } from "./seller-accounts.ts";
import { loadSurroundings, type SurroundingsOfRoots } from "./surroundings.ts";

export interface Read {
  readonly row: ProviderObjectRow;
  readonly outcome: Outcome<ProviderObject | ProviderAccount>;
  /** Of the read. */
  readonly traceparent?: string | undefined;
}

type Deps = Pick<PaymentWorkerDeps, "clock" | "logger" | "outbox">;

export async function recordReads(tx: Tx, reads: readonly Read[], deps: Deps): Promise<void> {
  const now = deps.clock.now();
  const waiting = await waitingFor(
    tx,
    reads.map(({ row }) => row),
  );
  const current = await lockObjects(tx, [...reads.map(keyOf), ...waiting]);
  const roots = await lockRoots(
    tx,
    reads.flatMap(({ row }) => row.escrow_id ?? []),
  );
  const operations = await loadOperations(
    tx,
    reads.flatMap(({ row }) => row.operation_id ?? []),
  );
  const deposits = await loadDeposits(tx, roots.values());
  const gone = await loadGone(tx, operations.values());
  const kept = await bookedByObject(
    tx,
    reads.map(({ row }) => row),
    roots,
  );
  const reversed = new Set(
    reads.flatMap(({ row }) => (row.kind === "reversal" ? [row.escrow_id] : [])),
  );
  const heeded = [...roots.values()].filter(
    ({ payment }) => isLocked(payment) || reversed.has(payment.escrowId),
  );
  const surroundings = await loadSurroundings(tx, heeded, now);
  const journal = createJournal({ now });
  const next: WriteRow[] = [];
  const booked: ProviderObjectRow[] = [];
  for (const read of reads) {
    const { row, outcome } = read;
    const object = outcome.kind === "succeeded" ? outcome.value : undefined;
    const signalled = current.get(`${row.provider} ${row.object_id}`)?.signals !== row.signals;
    // An account read before the last news of it may be older than a refusal: it is read again.
    if (object?.kind === "account" && !signalled) {
      await updateAccount(tx, row.provider, object, now);
    }
    const root = roots.get(row.escrow_id ?? "");
    let problem: unknown;
    if (object !== undefined && object.kind !== "account" && root !== undefined) {
      const opened = operations.get(row.operation_id ?? "");
      const seen = {
        now,
        deposits: deposits.get(root.escrowNo) ?? new Set<string>(),
        booked: kept.get(row.object_id),
        gone: gone.get(row.operation_id ?? ""),
      };
      problem = apply({ read, object, root, opened, seen, surroundings, journal, deps });
    }
    if (object !== undefined && problem === undefined && !signalled) booked.push(row);
    next.push(problem ? failedRead(row, problem, now) : nextRead(row, { signalled, outcome, now }));
  }
  await schedule(tx, next);
  await paymentsWereRead(tx, booked, waiting, now);
  await journal.write(tx);
  const said = await sayToTreasury(tx, journal.notices, now);
  await deps.outbox.enqueue(tx, [...journal.outgoing, ...said]);
}

/** What the database refused for good, alone. */
export async function setReadAside(
  tx: Tx,
  {
    row,
    outcome,
  }: { readonly row: ProviderObjectRow; readonly outcome: { readonly kind: string } },
  error: unknown,
  { clock, logger }: Deps,
): Promise<void> {
  const object = `${row.provider}:${row.object_id}`;
  logger.error({ err: error, object, outcome: outcome.kind }, "a read could not be recorded");
  await lockObjects(tx, [keyOf({ row })]);
  await schedule(tx, [failedRead(row, error, clock.now())]);
}

interface Application {
  readonly read: Read;
  readonly object: ProviderObject;
  readonly root: Root;
  readonly opened: OperationRow | undefined;
  readonly seen: Omit<Seen, "operation">;
  readonly surroundings: SurroundingsOfRoots;
  readonly journal: ReturnType<typeof createJournal>;
  readonly deps: Deps;
}

/** Why it could not be applied; its neighbours go on. */
function apply(application: Application): unknown {
  const { read, object, root, opened, seen, surroundings, journal, deps } = application;
  const { row } = read;
  const causationId = `${row.provider}:${row.object_id}`;
  const correlationId = opened?.correlation_id ?? causationId;
  try {
    const around = surroundings.of(root);
    const operation = currentOf(row, opened);
    if (opened !== undefined && operation === undefined) assertReplaced(object);
    const done = observe(root.payment, object, {
      ...seen,
      operation,
      ...(around && { seller: around }),
    });
    const effects = around === undefined ? done : whileLocked(root.payment, done, around);
    if (effects.length > 0) {
      journal.apply(root, effects, { correlationId, causationId, traceparent: read.traceparent });
    }
    surroundings.track(root, effects);
    return undefined;
  } catch (error) {
    deps.logger.error({ err: error, object: causationId }, "an object's state cannot be applied");
    return error;
  }
}

/** What belongs to an older attempt says nothing about the one under way, unless that took it over. */
function currentOf(
  { attempt, object_id }: ProviderObjectRow,
  opened: OperationRow | undefined,
): Operation | undefined {
  const current = opened?.attempt === attempt || opened?.object_id === object_id;
  return current ? opened && operationOf(opened) : undefined;
}

interface Happened {
  /** News came since the claim. */
  readonly signalled: boolean;
  readonly outcome: Read["outcome"];
  readonly now: Date;
}

/** Signals that came since the claim: at once. Not final: later. Unreadable: later and later. */
function nextRead(row: ProviderObjectRow, { signalled, outcome, now }: Happened): WriteRow {
  const due = signalled ? now : nextDue(row, outcome, now);
  const read = outcome.kind === "succeeded";
  const [failures, problem] = read ? [0, ""] : [row.failures, row.problem];
  return rowOf(row, { sync_due_at: due, failures, problem });
}

function failedRead(row: ProviderObjectRow, error: unknown, now: Date): WriteRow {
  const problem = error instanceof Error ? error.message.slice(0, 200) : "unknown";
  const due = pollAt(now, row.failures);
  return rowOf(row, {
    sync_due_at: due,
    failures: row.failures + 1,
    problem: problem || "unknown",
  });
}

function rowOf({ provider, object_id }: ProviderObjectRow, change: WriteRow): WriteRow {
  return { provider, object_id, ...change };
}

function nextDue(row: ProviderObjectRow, outcome: Read["outcome"], now: Date): Date | null {
  switch (outcome.kind) {
    case "succeeded":
      return isFinal(outcome.value) ? null : pollAt(now, row.sync_tries);
    case "refused":
      return null;
    case "retry":
      return new Date(now.getTime() + Math.max(outcome.afterMs, 1_000));
    case "unknown":
      return new Date(now.getTime() + Math.min(1_000 * 2 ** row.sync_tries, 900_000));
    default:
      return outcome satisfies never;
  }
}

function isFinal(object: ProviderObject | ProviderAccount): boolean {
  switch (object.kind) {
    case "payment":
      return (
        object.status === "cancelled" || (object.status === "succeeded" && object.fee !== undefined)
      );
    case "transfer":
    case "refund":
    case "reversal":
      return object.status !== "pending";
    case "account":
      return object.status === "READY" || object.status === "REJECTED";
    default:
      return object satisfies never;
  }
}

function keyOf({ row }: Pick<Read, "row">) {
  return { provider: row.provider, objectId: row.object_id };
}

/** When each object is read next, and what is wrong with it. */
export async function schedule(tx: Tx, rows: readonly WriteRow[]): Promise<void> {
  await tx.sql`
    UPDATE payments.provider_object o SET
      sync_due_at = n.sync_due_at, failures = n.failures, problem = n.problem, lease_until = NULL
    FROM jsonb_populate_recordset(NULL::payments.provider_object, ${JSON.stringify(rows)}::jsonb) n
    WHERE o.provider = n.provider AND o.object_id = n.object_id`;
}
