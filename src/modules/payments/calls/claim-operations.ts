/**
 * Takes due operations for one process, under their roots' locks and for the time of a lease. This
 * is the last gate before money leaves: what is locked, not reserved, not screened or said to have
 * been done by an earlier attempt is not called.
 */
import type { Tx } from "#platform/database/database";
import { loadGone } from "../deposits.ts";
import { sent, wayOf } from "../domain/calls.ts";
import { mayBeCalled } from "../domain/conclude.ts";
import type { Gone, Operation } from "../domain/payment.ts";
import { lookOnly } from "../domain/withdraw.ts";
import type { Root } from "../journal.ts";
import { aimedAgain } from "../parties/refund-targets.ts";
import { retransfersAimedAgain } from "../parties/retransfer-targets.ts";
import { leaseMsOf } from "../provider.ts";
import { type OperationRow, operationOf } from "../schema.ts";
import { unscreened } from "../screening/gate.ts";
import { loadContradicted, tryLockRoots } from "../store.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { netRetransfers } from "./net-retransfers.ts";

export interface Claim {
  readonly row: OperationRow;
  readonly operation: Operation;
  readonly way: "call" | "lookup";
  /** The lease's end is the claim's name: the answer counts only while it stands. */
  readonly leaseUntil: Date;
}

/** What may not be called now is looked at again after this time. */
const putOffMs = 60_000;

export interface ClaimOptions {
  readonly provider: string;
  /** At most so many. */
  readonly limit: number;
}

/**
 * Those of an escrow leave in their order. One that may not leave now (its receiver is looked at, its
 * provider is stopped, or it waits for the end of a dispute) holds back nobody else's money.
 */
export async function claimOperations(
  { db, clock, providers, outbox, nettingPercent }: PaymentWorkerDeps,
  { provider, limit }: ClaimOptions,
): Promise<readonly Claim[]> {
  const now = clock.now();
  const wall = clock.wall();
  const candidates = await db.sql<{ operation_id: string; escrow_id: string }>`
    SELECT o.operation_id, o.escrow_id FROM payments.operation o
    WHERE o.state IN ('READY', 'SENT', 'UNKNOWN', 'LOOKUP') AND o.due_at <= ${now}
      AND o.provider = ${provider}
      AND (o.lease_until IS NULL OR o.lease_until < ${wall})
      AND NOT EXISTS (
        SELECT FROM payments.operation e
        WHERE e.escrow_no = o.escrow_no AND e.number < o.number
          AND (e.state = 'SENT' OR (e.state = 'READY' AND e.due_at IS NOT NULL
            AND e.kind <> 'RETRANSFER' AND NOT (e.kind = 'TRANSFER' AND e.tries = 0
              AND EXISTS (SELECT FROM payments.provider_stop s WHERE s.provider = e.provider)))))
      AND NOT EXISTS (
        SELECT FROM payments.provider_stop s
        WHERE s.provider = o.provider AND o.state = 'READY' AND o.tries = 0
          AND (o.kind IN ('TRANSFER', 'RETRANSFER') OR (o.kind <> 'CANCEL_PAYMENT' AND o.updated_at < s.stopped_at)))
    ORDER BY o.due_at LIMIT ${limit}`;
  if (candidates.length === 0) return [];
  const { claims, said } = await db.withTx(async (tx) => {
    const roots = await tryLockRoots(
      tx,
      candidates.map(({ escrow_id }) => escrow_id),
    );
    const mine = candidates.filter(({ escrow_id }) => roots.has(escrow_id));
    // Read again under the lock: whoever writes an operation holds its root. A stop may have come since.
    const found = await tx.sql<OperationRow>`
      SELECT * FROM payments.operation o
      WHERE o.operation_id = ANY(${mine.map(({ operation_id }) => operation_id)}::text[])
        AND o.state IN ('READY', 'SENT', 'UNKNOWN', 'LOOKUP') AND o.due_at <= ${now}
        AND (o.lease_until IS NULL OR o.lease_until < ${wall})
        AND NOT EXISTS (
          SELECT FROM payments.provider_stop s
          WHERE s.provider = o.provider AND o.state = 'READY' AND o.tries = 0
            AND (o.kind IN ('TRANSFER', 'RETRANSFER')
              OR (o.kind <> 'CANCEL_PAYMENT' AND o.updated_at < s.stopped_at)))`;
    const aimed = await retransfersAimedAgain(tx, await aimedAgain(tx, found));
    const { rows, outgoing } = await netRetransfers(tx, aimed, { roots, now, nettingPercent });
    const leaseUntil = new Date(wall.getTime() + leaseMsOf(providers));
    const waiting = await unscreened(tx, rows, roots, now);
    const asked = rows.filter(({ operation_id }) => !waiting.has(operation_id));
    const gone = await loadGone(tx, asked);
    const first = asked.filter(isFirstCall).map(({ operation_id }) => operation_id);
    const contradicted = await loadContradicted(tx, first);
    const passed = passGate(asked, { roots, gone, contradicted }, { now, leaseUntil });
    await putOff(tx, passed.refused, now);
    await saveClaims(tx, passed.claims, { now, leaseUntil });
    await outbox.enqueue(tx, outgoing);
    return { claims: passed.claims, said: outgoing.length };
  });
  if (said > 0) outbox.wake();
  return claims;
}

interface Times {
  readonly now: Date;
  readonly leaseUntil: Date;
}

interface Standing {
  readonly roots: ReadonlyMap<string, Root>;
  /** By operation. */
  readonly gone: ReadonlyMap<string, Gone>;
  /** Not called yet, and what the provider says of an earlier attempt does not agree with that. */
  readonly contradicted: ReadonlySet<string>;
}

/** Nothing of this attempt can have happened: a look-up is not in question. */
function isFirstCall({ state, tries }: OperationRow): boolean {
  return state === "READY" && tries === 0;
}

function passGate(
  rows: readonly OperationRow[],
  { roots, gone, contradicted }: Standing,
  { now, leaseUntil }: Times,
): { readonly claims: readonly Claim[]; readonly refused: readonly OperationRow[] } {
  const claims: Claim[] = [];
  const refused: OperationRow[] = [];
  for (const row of rows) {
    const root = roots.get(row.escrow_id);
    const lost = gone.get(row.operation_id);
    const operation =
      root === undefined ? operationOf(row) : lookOnly(root.payment, operationOf(row), lost);
    const may = root !== undefined && mayBeCalled(root.payment, operation, lost);
    // Called under a new key, it would be done twice if the earlier attempt was done after all.
    if (!may || contradicted.has(row.operation_id)) refused.push(row);
    else {
      const way = wayOf(operation, now);
      claims.push({ row, operation: sent(operation, now), way, leaseUntil });
    }
  }
  return { claims, refused };
}

async function putOff(tx: Tx, rows: readonly OperationRow[], now: Date): Promise<void> {
  if (rows.length === 0) return;
  await tx.sql`
    UPDATE payments.operation SET due_at = ${new Date(now.getTime() + putOffMs)}
    WHERE operation_id = ANY(${rows.map((row) => row.operation_id)}::text[])`;
}

async function saveClaims(
  tx: Tx,
  claims: readonly Claim[],
  { now, leaseUntil }: Times,
): Promise<void> {
  if (claims.length === 0) return;
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
}
