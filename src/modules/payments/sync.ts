/**
 * Reads provider objects again, because a webhook said so or none came for long, and applies their
 * present state. The read happens outside any transaction; a webhook that came meanwhile makes it
 * happen again, so the last state is never missed.
 */
import type { Tx } from "#platform/database";
import type { WakeableWorker } from "#platform/worker-loop";
import { updateAccount } from "./accounts.ts";
import { observe } from "./domain/observe.ts";
import { createJournal } from "./journal.ts";
import { lockObjects, pollAt } from "./objects.ts";
import {
  leaseMsOf,
  type Outcome,
  type PaymentProvider,
  type ProviderAccount,
  type ProviderObject,
} from "./provider.ts";
import { operationOf, type ProviderObjectRow, type WriteRow } from "./schema.ts";
import { loadDeposits, loadOperations, lockRoots } from "./store.ts";
import type { PaymentWorkerDeps } from "./worker-deps.ts";

const maxClaims = 32;

interface Read {
  readonly row: ProviderObjectRow;
  readonly outcome: Outcome<ProviderObject | ProviderAccount>;
}

export function createSync(deps: PaymentWorkerDeps): WakeableWorker {
  const { outbox, db } = deps;
  return {
    name: "payments.sync",
    idleMs: 200,
    onWake: outbox.onWake,
    step: async () => {
      const rows = await claim(deps);
      if (rows.length === 0) return "idle";
      const reads = await Promise.all(rows.map((row) => read(row, deps)));
      await db.withTx((tx) => record(tx, reads, deps));
      outbox.wake();
      return "worked";
    },
  };
}

async function claim({ db, clock, providers }: PaymentWorkerDeps): Promise<ProviderObjectRow[]> {
  const wall = clock.wall();
  return db.sql<ProviderObjectRow>`
    UPDATE payments.provider_object o
    SET lease_until = ${new Date(wall.getTime() + leaseMsOf(providers))}, sync_tries = o.sync_tries + 1
    FROM (
      SELECT provider, object_id FROM payments.provider_object
      WHERE sync_due_at <= ${clock.now()} AND (lease_until IS NULL OR lease_until < ${wall})
      ORDER BY sync_due_at LIMIT ${maxClaims} FOR UPDATE SKIP LOCKED
    ) due
    WHERE o.provider = due.provider AND o.object_id = due.object_id
    RETURNING o.*`;
}

async function read(row: ProviderObjectRow, { providers }: PaymentWorkerDeps): Promise<Read> {
  const provider = providers.get(row.provider);
  if (provider === undefined) return { row, outcome: { kind: "retry", afterMs: 60_000 } };
  const outcome = await readObject(provider, row).catch(
    (error: unknown) => ({ kind: "unknown", replayed: false, detail: String(error) }) as const,
  );
  return { row, outcome };
}

async function readObject(
  provider: PaymentProvider,
  { kind, object_id }: ProviderObjectRow,
): Promise<Outcome<ProviderObject | ProviderAccount>> {
  switch (kind) {
    case "payment":
      return provider.getPayment(object_id);
    case "transfer":
      return provider.getTransfer(object_id);
    case "refund":
      return provider.getRefund(object_id);
    case "account":
      return provider.getAccount(object_id);
    case "unmatched":
      return { kind: "refused", code: "NOT_FOUND", detail: "not ours" };
    default:
      return kind satisfies never;
  }
}

async function record(
  tx: Tx,
  reads: readonly Read[],
  { clock, logger, outbox }: PaymentWorkerDeps,
): Promise<void> {
  const now = clock.now();
  const keys = reads.map(({ row }) => ({ provider: row.provider, objectId: row.object_id }));
  const current = await lockObjects(tx, keys);
  const roots = await lockRoots(
    tx,
    reads.flatMap(({ row }) => row.escrow_id ?? []),
  );
  const operations = await loadOperations(
    tx,
    reads.flatMap(({ row }) => row.operation_id ?? []),
  );
  const deposits = await loadDeposits(tx, roots.values());
  const journal = createJournal({ now });
  const next: WriteRow[] = [];
  for (const { row, outcome } of reads) {
    const object = outcome.kind === "succeeded" ? outcome.value : undefined;
    const signalled = current.get(`${row.provider} ${row.object_id}`)?.signals !== row.signals;
    next.push(nextRead(row, signalled, outcome, now));
    // An account read before the last news of it may be older than a refusal: it is read again.
    if (object?.kind === "account" && !signalled) {
      await updateAccount(tx, row.provider, object, now);
    }
    const root = roots.get(row.escrow_id ?? "");
    if (object === undefined || object.kind === "account" || root === undefined) continue;
    const opened = operations.get(row.operation_id ?? "");
    // What belongs to an older attempt says nothing about the one under way.
    const operation = opened?.attempt === row.attempt ? opened && operationOf(opened) : undefined;
    const seen = { now, operation, deposits: deposits.get(root.escrowNo) ?? new Set<string>() };
    const causationId = `${row.provider}:${row.object_id}`;
    const correlationId = opened?.correlation_id ?? causationId;
    try {
      const effects = observe(root.payment, object, seen);
      if (effects.length > 0) journal.apply(root, effects, { correlationId, causationId });
    } catch (error) {
      logger.error({ err: error, object: causationId }, "an object's state could not be applied");
    }
  }
  await schedule(tx, next);
  await journal.write(tx);
  await outbox.enqueue(tx, journal.outgoing);
}

/** Signals that came since the claim: at once. Not final: later. Unreadable: later and later. */
function nextRead(
  row: ProviderObjectRow,
  signalled: boolean,
  outcome: Read["outcome"],
  now: Date,
): WriteRow {
  const due = signalled ? now : nextDue(row, outcome, now);
  return { provider: row.provider, object_id: row.object_id, sync_due_at: due };
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
      return object.status !== "pending";
    case "account":
      return object.status === "READY" || object.status === "REJECTED";
    default:
      return object satisfies never;
  }
}

async function schedule(tx: Tx, rows: readonly WriteRow[]): Promise<void> {
  await tx.sql`
    UPDATE payments.provider_object o SET sync_due_at = n.sync_due_at, lease_until = NULL
    FROM jsonb_populate_recordset(NULL::payments.provider_object, ${JSON.stringify(rows)}::jsonb) n
    WHERE o.provider = n.provider AND o.object_id = n.object_id`;
}
