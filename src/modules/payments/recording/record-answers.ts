/**
 * Commits what providers answered, several answers in one transaction: the object's row, what
 * follows for the payment, postings and events. An answer counts only while its claim stands.
 */
import type { Tx } from "#platform/database/database";
import type { Logger } from "#platform/telemetry/logger";
import type { Claim } from "../calls/claim-operations.ts";
import type { Cause } from "../cause.ts";
import { loadGone } from "../deposits.ts";
import { conclude } from "../domain/conclude.ts";
import { Contradiction } from "../domain/contradiction.ts";
import type { Effect } from "../domain/effect.ts";
import type { Seen } from "../domain/observe.ts";
import { isLocked, type Operation } from "../domain/payment.ts";
import { whileLocked } from "../domain/while-locked.ts";
import { createJournal, type Journal, type Root } from "../journal.ts";
import { aboutOperation, type OperationRow, operationOf } from "../schema.ts";
import { loadDeposits, loadOperations, lockRoots } from "../store.ts";
import { sayToTreasury } from "../treasury.ts";
import { webhookHandled } from "../webhooks/webhook-handled.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { type Answered, withoutEarlier } from "./earlier-attempts.ts";
import {
  drainUnmatched,
  linkObjects,
  lockObjects,
  type ObjectKey,
  type ObjectLink,
  pollAt,
  signal,
} from "./objects.ts";
import { distrust } from "./seller-accounts.ts";
import { loadSurroundings, type SurroundingsOfRoots } from "./surroundings.ts";

type Deps = Pick<PaymentWorkerDeps, "clock" | "logger" | "outbox">;

export async function recordAnswers(
  tx: Tx,
  given: readonly Answered[],
  { clock, logger, outbox }: Deps,
): Promise<void> {
  const now = clock.now();
  const met = given.flatMap((answered) => linkOf(answered, now));
  const accounts = given.flatMap(refusedAccount);
  const answers = withoutEarlier(given, await lockObjects(tx, [...met, ...accounts]));
  const links = answers.flatMap((answered) => linkOf(answered, now));
  const roots = await lockRoots(
    tx,
    answers.map(({ claim }) => claim.row.escrow_id),
  );
  const rows = await loadOperations(
    tx,
    answers.map(({ claim }) => claim.row.operation_id),
  );
  const deposits = await loadDeposits(tx, roots.values());
  const gone = await loadGone(tx, rows.values());
  await linkObjects(tx, links);
  const drained = await drainUnmatched(tx, links, now);
  const surroundings = await loadSurroundings(tx, heeded(answers, roots), now);
  const journal = createJournal({ now });
  const readAgain: ObjectKey[] = [];
  const refused: ObjectKey[] = [];
  for (const answered of answers) {
    const row = rows.get(answered.claim.row.operation_id);
    const root = roots.get(answered.claim.row.escrow_id);
    if (row === undefined || root === undefined || !stands(row, answered.claim)) continue;
    const seen = {
      now,
      deposits: deposits.get(root.escrowNo) ?? new Set<string>(),
      gone: gone.get(row.operation_id),
    };
    const objectId = objectIdOf(answered);
    const heard = drained.filter((webhook) => webhook.objectId === objectId).map(webhookHandled);
    applyAnswer({ journal, root, row, answered, seen, surroundings, heard, logger });
    refused.push(...refusedAccount(answered));
    // A cancellation that was refused met a payment: reading it now says what happened.
    if (row.kind === "CANCEL_PAYMENT") readAgain.push(...paymentKey(root, row));
  }
  await signal(tx, readAgain, now);
  await distrust(tx, refused, now);
  await journal.write(tx);
  const said = await sayToTreasury(tx, journal.notices, now);
  await outbox.enqueue(tx, [...journal.outgoing, ...said]);
}

/** Where an answer may concern more than its operation: a dispute waits for it, a debt is repaid. */
function heeded(answers: readonly Answered[], roots: ReadonlyMap<string, Root>): Root[] {
  const reversed = answers
    .filter(({ claim }) => claim.row.kind === "REVERSAL")
    .map(({ claim }) => claim.row.escrow_id);
  return [...roots.values()].filter(
    ({ payment }) => isLocked(payment) || reversed.includes(payment.escrowId),
  );
}

/** What the database refused for good, alone: it is not asked again, a person looks at it. */
export async function setAnswerAside(
  tx: Tx,
  answered: Answered,
  error: unknown,
  { clock, logger }: Deps,
): Promise<void> {
  const { claim } = answered;
  const { operation_id, escrow_id } = claim.row;
  logger.error({ err: error, ...aboutOperation(claim.row) }, "an answer could not be recorded");
  const root = (await lockRoots(tx, [escrow_id])).get(escrow_id);
  const row = (await loadOperations(tx, [operation_id])).get(operation_id);
  if (root === undefined || row === undefined || !stands(row, claim)) return;
  const journal = createJournal({ now: clock.now() });
  journal.apply(root, [forPerson(operationOf(row))], causeOf(row, answered));
  await journal.write(tx);
}

function forPerson(operation: Operation, error?: unknown): Effect {
  const code = error instanceof Contradiction ? "CONTRADICTED" : "BUG";
  return {
    case: "moved",
    operation: { ...operation, state: "PERSON", dueAt: undefined, code },
  };
}

function causeOf(row: OperationRow, { traceparent }: Answered): Cause {
  return {
    correlationId: row.correlation_id,
    causationId: row.operation_id,
    traceparent: traceparent ?? row.traceparent,
  };
}

/** Another process took the claim over when its lease had ended: its answer counts, not ours. */
function stands(row: OperationRow, { leaseUntil }: Claim): boolean {
  return row.lease_until?.getTime() === leaseUntil.getTime();
}

interface Application {
  readonly journal: Journal;
  readonly root: Root;
  readonly row: OperationRow;
  readonly answered: Answered;
  readonly seen: Omit<Seen, "operation">;
  readonly surroundings: SurroundingsOfRoots;
  /** Webhooks that waited for the object the answer names. */
  readonly heard: readonly Effect[];
  readonly logger: Logger;
}

function applyAnswer(application: Application): void {
  const { journal, root, row, answered, seen, surroundings, heard, logger } = application;
  const operation = operationOf(row);
  const cause = causeOf(row, answered);
  try {
    const around = surroundings.of(root);
    const known = around === undefined ? seen : { ...seen, seller: around };
    const done = conclude(root.payment, operation, answered.answer, known);
    const effects = around === undefined ? done : whileLocked(root.payment, done, around);
    journal.apply(root, [...heard, ...effects], cause);
    surroundings.track(root, effects);
  } catch (error) {
    // A bug must not stop its neighbours, nor be called again and again: a person looks at it.
    logger.error({ err: error, ...aboutOperation(row) }, "an answer could not be applied");
    journal.apply(root, [forPerson(operation, error)], cause);
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

/** The account a transfer was to go to; others of the seller are not judged by it. */
function refusedAccount({ claim, answer: { way, outcome } }: Answered): ObjectKey[] {
  const notReady = outcome.kind === "refused" && outcome.code === "SELLER_NOT_READY";
  const { provider, target } = claim.row;
  if (!notReady || way === "lookup" || target === "") return [];
  return [{ provider, objectId: target }];
}

function paymentKey({ payment }: Root, { provider }: OperationRow): ObjectKey[] {
  return payment.providerRef === undefined ? [] : [{ provider, objectId: payment.providerRef }];
}
