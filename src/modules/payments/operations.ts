/**
 * Makes the provider calls that decisions opened. The intention is committed before the call, the
 * call runs outside any transaction, the answer is committed with its postings and events: killed
 * at any line, the same key and bytes are sent again and one effect remains.
 */
import type { Clock } from "#platform/clock";
import type { Database, Tx } from "#platform/database";
import type { Logger } from "#platform/logger";
import type { Outbox } from "#platform/messaging/outbox";
import type { WakeableWorker } from "#platform/worker-loop";
import { sent, wayOf } from "./domain/calls.ts";
import { type Answer, conclude, mayBeCalled } from "./domain/conclude.ts";
import type { Effect } from "./domain/effect.ts";
import { keyOf, type Operation } from "./domain/payment.ts";
import { createGather } from "./gather.ts";
import { createJournal, type Journal, type Root } from "./journal.ts";
import {
  drainUnmatched,
  linkObjects,
  lockObjects,
  type ObjectLink,
  pollAt,
  signal,
} from "./objects.ts";
import {
  leaseMsOf,
  type Outcome,
  type PaymentProvider,
  type ProviderCall,
  type ProviderObject,
  type ProviderRequest,
  type Providers,
} from "./provider.ts";
import { type OperationRow, operationOf } from "./schema.ts";
import { loadDeposits, loadOperations, lockRoots, tryLockRoots } from "./store.ts";
import { webhookHandled } from "./webhook-handled.ts";

export interface OperationsOptions {
  readonly db: Database;
  readonly outbox: Outbox;
  readonly providers: Providers;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A locked payment's calls look again. */
const gateMs = 60_000;
const claimed = 32;

interface Claim {
  readonly row: OperationRow;
  readonly operation: Operation;
  readonly way: "call" | "lookup";
  /** The lease's end is the claim's name: the answer counts only while it stands. */
  readonly leaseUntil: Date;
}

interface Answered {
  readonly claim: Claim;
  readonly answer: Answer;
}

export function createOperations(options: OperationsOptions): WakeableWorker {
  const { logger, outbox } = options;
  return {
    name: "payments.operations",
    idleMs: 100,
    lanes: 2,
    onWake: outbox.onWake,
    step: async () => {
      const claims = await claim(options);
      const record = createGather<Answered>(async (answers) => {
        await options.db.withTx((tx) => recordAnswers(tx, answers, options));
        outbox.wake();
      });
      const results = await Promise.allSettled(
        claims.map(async (one) => record({ claim: one, answer: await ask(one, options) })),
      );
      const failed = results.find((result) => result.status === "rejected");
      // What could not be recorded is claimed again when its lease ends: same key, same bytes.
      if (failed !== undefined) throw failed.reason;
      if (claims.length > 0) logger.debug({ calls: claims.length }, "provider calls made");
      return claims.length > 0 ? "worked" : "idle";
    },
  };
}

async function claim({ db, clock, providers }: OperationsOptions): Promise<Claim[]> {
  const now = clock.now();
  const wall = clock.wall();
  const candidates = await db.sql<{ operation_id: string; escrow_id: string }>`
    SELECT o.operation_id, o.escrow_id FROM payments.operation o
    WHERE o.state IN ('READY', 'SENT', 'UNKNOWN', 'LOOKUP') AND o.due_at <= ${now}
      AND (o.lease_until IS NULL OR o.lease_until < ${wall})
      AND NOT EXISTS (
        SELECT FROM payments.operation e
        WHERE e.escrow_no = o.escrow_no AND e.number < o.number AND e.state IN ('READY', 'SENT'))
    ORDER BY o.due_at LIMIT ${claimed}`;
  if (candidates.length === 0) return [];
  return db.withTx(async (tx) => {
    const roots = await tryLockRoots(
      tx,
      candidates.map(({ escrow_id }) => escrow_id),
    );
    const mine = candidates.filter(({ escrow_id }) => roots.has(escrow_id));
    // Read again under the lock: whoever writes an operation holds its root.
    const rows = await tx.sql<OperationRow>`
      SELECT * FROM payments.operation
      WHERE operation_id = ANY(${mine.map(({ operation_id }) => operation_id)}::text[])
        AND state IN ('READY', 'SENT', 'UNKNOWN', 'LOOKUP') AND due_at <= ${now}
        AND (lease_until IS NULL OR lease_until < ${wall})`;
    const leaseUntil = new Date(wall.getTime() + leaseMsOf(providers));
    return claimRows(tx, rows, roots, { now, leaseUntil });
  });
}

async function claimRows(
  tx: Tx,
  rows: readonly OperationRow[],
  roots: ReadonlyMap<string, Root>,
  { now, leaseUntil }: { readonly now: Date; readonly leaseUntil: Date },
): Promise<Claim[]> {
  const claims: Claim[] = [];
  const held: string[] = [];
  for (const row of rows) {
    const operation = operationOf(row);
    const root = roots.get(row.escrow_id);
    if (root === undefined || !mayBeCalled(root.payment, operation)) held.push(row.operation_id);
    else {
      const way = wayOf(operation, now);
      claims.push({ row, operation: sent(operation, now), way, leaseUntil });
    }
  }
  await tx.sql`
    UPDATE payments.operation SET due_at = ${new Date(now.getTime() + gateMs)}
    WHERE operation_id = ANY(${held}::text[])`;
  await tx.sql`
    UPDATE payments.operation o
    SET state = n.state, tries = n.tries, first_sent_at = n.first_sent_at,
        lease_until = ${leaseUntil}, updated_at = ${now}
    FROM unnest(
      ${claims.map(({ operation }) => operation.operationId)}::text[],
      ${claims.map(({ operation }) => operation.state)}::text[],
      ${claims.map(({ operation }) => operation.tries)}::int[],
      ${claims.map(({ operation }) => operation.firstSentAt?.toISOString() ?? null)}::timestamptz[]
    ) AS n(operation_id, state, tries, first_sent_at)
    WHERE o.operation_id = n.operation_id`;
  return claims;
}

async function ask(claim: Claim, { providers, clock, logger }: OperationsOptions): Promise<Answer> {
  const { row, way } = claim;
  const startedMs = clock.monotonicMs();
  const provider = providers.get(row.provider);
  const outcome =
    provider === undefined
      ? ({ kind: "retry", afterMs: 60_000 } as const)
      : await askProvider(provider, claim).catch(
          // Whatever broke, it may have happened.
          (error: unknown) =>
            ({ kind: "unknown", replayed: false, detail: String(error) }) as const,
        );
  if (outcome.kind === "unknown") {
    const { operation_id: operationId, attempt } = row;
    logger.warn({ operationId, attempt, way, detail: outcome.detail }, "outcome unknown");
  }
  return { way, outcome, durationMs: clock.monotonicMs() - startedMs };
}

async function askProvider(
  provider: PaymentProvider,
  { row, operation, way }: Claim,
): Promise<Outcome<ProviderObject | undefined>> {
  const request = JSON.parse(Buffer.from(row.params).toString("utf8")) as ProviderRequest;
  if (way === "lookup") return lookUp(provider, row.kind, request);
  const call: ProviderCall = { key: keyOf(operation), bytes: row.params, request };
  switch (row.kind) {
    case "CREATE_PAYMENT":
      return provider.createPayment(call);
    case "CANCEL_PAYMENT":
      return provider.cancelPayment(call);
    case "TRANSFER":
      return provider.createTransfer(call);
    case "REFUND":
      return provider.createRefund(call);
    default:
      return row.kind satisfies never;
  }
}

async function lookUp(
  provider: PaymentProvider,
  kind: Operation["kind"],
  request: ProviderRequest,
): Promise<Outcome<ProviderObject | undefined>> {
  switch (kind) {
    case "CREATE_PAYMENT":
      return provider.findPayment(request);
    case "CANCEL_PAYMENT":
      return provider.getPayment(request.paymentRef);
    case "TRANSFER":
      return provider.findTransfer(request);
    case "REFUND":
      return provider.findRefund(request);
    default:
      return kind satisfies never;
  }
}

async function recordAnswers(
  tx: Tx,
  answers: readonly Answered[],
  { clock, logger, outbox }: OperationsOptions,
): Promise<void> {
  const now = clock.now();
  const links = answers.flatMap((answered) => linkOf(answered, now));
  await lockObjects(tx, links);
  const roots = await lockRoots(
    tx,
    answers.map(({ claim }) => claim.row.escrow_id),
  );
  const rows = await loadOperations(
    tx,
    answers.map(({ claim }) => claim.row.operation_id),
  );
  const deposits = await loadDeposits(tx, roots.values());
  await linkObjects(tx, links);
  const drained = await drainUnmatched(tx, links, now);
  const journal = createJournal({ now });
  const again: ObjectLink[] = [];
  for (const answered of answers) {
    const row = rows.get(answered.claim.row.operation_id);
    const root = roots.get(answered.claim.row.escrow_id);
    if (row === undefined || root === undefined || !stands(row, answered.claim)) continue;
    const seen = { now, deposits: deposits.get(root.escrowNo) ?? new Set<string>() };
    const objectId = objectIdOf(answered);
    const heard = drained.filter(({ object_id }) => object_id === objectId).map(webhookHandled);
    applyAnswer({ journal, root, row, answered, seen, heard, logger });
    if (row.kind === "CANCEL_PAYMENT") again.push(...paymentLink(root, row));
  }
  // A cancellation that was refused met a payment: reading it now says what happened.
  await signal(tx, again, now);
  await journal.write(tx);
  await outbox.enqueue(tx, journal.outgoing);
}

/** Another process took the claim over when its lease had ended: its answer counts, not ours. */
function stands(row: OperationRow & { lease_until?: Date | null }, { leaseUntil }: Claim): boolean {
  return row.lease_until?.getTime() === leaseUntil.getTime();
}

interface Application {
  readonly journal: Journal;
  readonly root: Root;
  readonly row: OperationRow;
  readonly answered: Answered;
  readonly seen: { readonly now: Date; readonly deposits: ReadonlySet<string> };
  readonly heard: readonly Effect[];
  readonly logger: Logger;
}

function applyAnswer(application: Application): void {
  const { journal, root, row, answered, seen, heard, logger } = application;
  const operation = operationOf(row);
  const cause = { correlationId: row.correlation_id, causationId: row.operation_id };
  try {
    const effects = conclude(root.payment, operation, answered.answer, seen);
    journal.apply(root, [...heard, ...effects], cause);
  } catch (error) {
    // A bug must not stop its neighbours, nor be called again and again: a person looks at it.
    logger.error({ err: error, operationId: row.operation_id }, "an answer could not be applied");
    const stuck: Operation = { ...operation, state: "PERSON", dueAt: undefined, code: "BUG" };
    journal.apply(root, [{ case: "moved", operation: stuck }], cause);
  }
}

function objectIdOf({ answer }: Answered): string | undefined {
  return answer.outcome.kind === "succeeded" ? answer.outcome.value?.objectId : undefined;
}

function linkOf({ claim, answer }: Answered, now: Date): ObjectLink[] {
  const object = answer.outcome.kind === "succeeded" ? answer.outcome.value : undefined;
  if (object === undefined || claim.row.kind === "CANCEL_PAYMENT") return [];
  const { provider, escrow_id, operation_id, attempt } = claim.row;
  return [
    {
      provider,
      objectId: object.objectId,
      kind: object.kind,
      escrowId: escrow_id,
      operationId: operation_id,
      attempt,
      partyId: null,
      syncDueAt: pollAt(now, 0),
    },
  ];
}

function paymentLink({ payment }: Root, { provider }: OperationRow): ObjectLink[] {
  if (payment.providerRef === undefined) return [];
  const objectId = payment.providerRef;
  const none = { escrowId: null, operationId: null, attempt: null, partyId: null };
  return [{ provider, objectId, kind: "payment", ...none, syncDueAt: null }];
}
