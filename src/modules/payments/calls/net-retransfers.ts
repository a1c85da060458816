/**
 * What is payable to a seller who owes something by now is kept against it before it leaves, under
 * the debt's lock, as a release's is. Only of what was never sent under its key, which is bound to
 * its bytes, and never after an attempt that was only not found: coming to light, it has moved all.
 */
import { required } from "#kernel/assert";
import { sha256Hex } from "#kernel/ids";
import type { Tx } from "#platform/database/database";
import { encodeBytes } from "#platform/database/statement";
import type { Outgoing } from "#platform/messaging/handler";
import { nettableOf, sellersDebt } from "../domain/netting.ts";
import { isLocked, type Operation } from "../domain/payment.ts";
import { retransferNetted } from "../domain/reversal.ts";
import { createJournal, type Root } from "../journal.ts";
import { isUnsentRetransfer } from "../parties/retransfer-targets.ts";
import { type OperationRow, operationOf, requestIn } from "../schema.ts";
import { lockDebts } from "../store.ts";
import { sayToTreasury } from "../treasury.ts";

export interface NettingOptions {
  /** Locked. */
  readonly roots: ReadonlyMap<string, Root>;
  readonly now: Date;
  readonly nettingPercent?: number | undefined;
}

export interface Netting {
  /** As they are to be called; without those of which nothing is left. */
  readonly rows: readonly OperationRow[];
  /** For the caller to enqueue, last of all. */
  readonly outgoing: readonly Outgoing[];
}

export async function netRetransfers(
  tx: Tx,
  rows: readonly OperationRow[],
  { roots, now, nettingPercent }: NettingOptions,
): Promise<Netting> {
  const unsent = rows.flatMap((row) => {
    const root = roots.get(row.escrow_id);
    return isUnsentRetransfer(row) && root && !isLocked(root.payment) ? [{ row, root }] : [];
  });
  if (unsent.length === 0) return { rows, outgoing: [] };
  const debts = await lockDebts(
    tx,
    unsent.map(({ root }) => root.payment.sellerId),
  );
  const journal = createJournal({ now });
  const kept: Operation[] = [];
  for (const { row, root } of unsent) {
    const key = sellersDebt(root.payment);
    const owed = debts.get(key) ?? 0n;
    const nettable = nettableOf(nettingPercent);
    const decided = retransferNetted(root.payment, operationOf(row), { owed, nettable });
    if (decided === undefined) continue;
    const { correlation_id: correlationId, traceparent, operation_id: causationId } = row;
    journal.apply(root, decided.effects, { correlationId, causationId, traceparent });
    debts.set(key, owed - (decided.operation.netted - row.netted));
    kept.push(decided.operation);
  }
  if (kept.length === 0) return { rows, outgoing: [] };
  await journal.write(tx);
  const said = await sayToTreasury(tx, journal.notices, now);
  const written = new Map<string, OperationRow>();
  for (const operation of kept) written.set(operation.operationId, await rewrite(tx, operation));
  return {
    rows: rows
      .map((row) => written.get(row.operation_id) ?? row)
      .filter(({ state }) => state !== "SUCCEEDED"),
    outgoing: [...journal.outgoing, ...said],
  };
}

/** What is asked for is part of the bytes; their key was not used. */
async function rewrite(tx: Tx, { operationId, netted, net }: Operation): Promise<OperationRow> {
  const [row] = await tx.sql<OperationRow>`
    SELECT * FROM payments.operation WHERE operation_id = ${operationId}`;
  const params = JSON.stringify({
    ...requestIn(required(row, operationId)),
    amount: net.toString(),
  });
  const [now] = await tx.sql<OperationRow>`
    UPDATE payments.operation
    SET netted = ${netted}, net = ${net}, params = ${encodeBytes(Buffer.from(params))}::bytea,
      body_hash = ${sha256Hex(params)}
    WHERE operation_id = ${operationId} RETURNING *`;
  return required(now, operationId);
}
