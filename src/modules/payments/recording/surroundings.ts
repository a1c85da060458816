/**
 * What stands around payments that a bank's dispute or a reversal concerns: disputes, operations,
 * what the seller owes. Read under the roots' locks; moves on with each decision of the transaction.
 */
import type { Tx } from "#platform/database/database";
import { loadDisputes } from "../disputes/dispute-rows.ts";
import type { Dispute } from "../domain/dispute.ts";
import type { Effect } from "../domain/effect.ts";
import { sellersDebt } from "../domain/netting.ts";
import type { Operation } from "../domain/payment.ts";
import type { Screening } from "../domain/screening.ts";
import type { LockedSurroundings } from "../domain/while-locked.ts";
import type { Root } from "../journal.ts";
import { type OperationRow, operationOf } from "../schema.ts";
import { loadScreenings } from "../screening/screening-rows.ts";
import { loadReadiness, lockDebts, type Receiver } from "../store.ts";

export interface SurroundingsOfRoots {
  /** Undefined for a root that was not asked for. */
  of(root: Root): LockedSurroundings | undefined;
  /** What was decided on a root; the next decision sees it. */
  track(root: Root, effects: readonly Effect[]): void;
}

interface Around {
  readonly disputes: Map<string, Dispute>;
  readonly operations: Map<string, Operation>;
  readonly screenings: Map<string, Screening>;
}

/** Locks the sellers' debts: to be called after the roots are locked. */
export async function loadSurroundings(
  tx: Tx,
  roots: readonly Root[],
  now: Date,
): Promise<SurroundingsOfRoots> {
  if (roots.length === 0) return { of: () => undefined, track: () => undefined };
  const nos = roots.map(({ escrowNo }) => escrowNo);
  const sellers = roots.map(({ payment }) => payment.sellerId);
  const operations = await loadMoneyOperations(tx, nos);
  const debts = await lockDebts(tx, sellers);
  const receivers = await loadReadiness(
    tx,
    roots.map(({ payment }) => payment.escrowId),
  );
  const disputes = await loadDisputes(tx, nos);
  const hit = roots.filter(({ payment }) => payment.sanctioned);
  const screenings = await loadScreenings(
    tx,
    hit.map(({ escrowNo }) => escrowNo),
  );
  const around = new Map<bigint, Around>(
    nos.map((no) => [
      no,
      {
        disputes: disputes.get(no) ?? new Map(),
        operations: operations.get(no) ?? new Map(),
        screenings: screenings.get(no) ?? new Map(),
      },
    ]),
  );
  return {
    of: (root) => {
      const found = around.get(root.escrowNo);
      return found && { now, ...found, ...sellerOf(root, debts, receivers) };
    },
    track: (root, effects) => {
      // A seller's debt is one over all his escrows, those that were not asked for too.
      const key = sellersDebt(root.payment);
      const repaid = effects.reduce((sum, e) => sum + (e.case === "netted" ? e.amount : 0n), 0n);
      debts.set(key, (debts.get(key) ?? 0n) - repaid);
      const found = around.get(root.escrowNo);
      if (found !== undefined) for (const effect of effects) follow(found, effect);
    },
  };
}

function follow({ disputes, operations, screenings }: Around, effect: Effect): void {
  if (effect.case === "screened") screenings.set(effect.screening.reviewId, effect.screening);
  if (effect.case === "disputed") disputes.set(effect.dispute.disputeId, effect.dispute);
  if (effect.case === "opened" || effect.case === "moved") {
    operations.set(effect.operation.operationId, effect.operation);
  }
}

function sellerOf(
  root: Root,
  debts: ReadonlyMap<string, bigint>,
  receivers: ReadonlyMap<string, Receiver>,
) {
  const sellerAccount = receivers.get(root.payment.escrowId)?.account ?? "";
  return { owed: debts.get(sellersDebt(root.payment)) ?? 0n, sellerAccount };
}

async function loadMoneyOperations(
  tx: Tx,
  escrowNos: readonly bigint[],
): Promise<Map<bigint, Map<string, Operation>>> {
  const found = new Map<bigint, Map<string, Operation>>();
  if (escrowNos.length === 0) return found;
  const rows = await tx.sql<OperationRow>`
    SELECT * FROM payments.operation
    WHERE escrow_no = ANY(${escrowNos}::bigint[])
      AND kind IN ('TRANSFER', 'REFUND', 'REVERSAL', 'RETRANSFER')
    ORDER BY escrow_no, number, operation_id`;
  for (const row of rows) {
    const operations = found.get(row.escrow_no) ?? new Map<string, Operation>();
    operations.set(row.operation_id, operationOf(row));
    found.set(row.escrow_no, operations);
  }
  return found;
}
