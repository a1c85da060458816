/**
 * Where what is owed to a seller goes: to the account he has when it is called, not to the one he
 * had when it was opened, as long as its key was never used.
 */
import type { Tx } from "#platform/database/database";
import { type OperationRow, requestIn } from "../schema.ts";
import { loadReadiness } from "../store.ts";
import { aimed, isUnsent } from "./refund-targets.ts";

export function isUnsentRetransfer(row: OperationRow): boolean {
  return row.kind === "RETRANSFER" && isUnsent(row);
}

/** The rows as they are to be called. The roots are locked. */
export async function retransfersAimedAgain(
  tx: Tx,
  rows: readonly OperationRow[],
): Promise<readonly OperationRow[]> {
  const unsent = rows.filter(isUnsentRetransfer);
  if (unsent.length === 0) return rows;
  const receivers = await loadReadiness(
    tx,
    unsent.map(({ escrow_id }) => escrow_id),
  );
  const moved = new Map<string, OperationRow>();
  for (const row of unsent) {
    const receiver = receivers.get(row.escrow_id);
    if (receiver?.ready !== true || receiver.account === row.target) continue;
    const { target, params, body_hash } = aimed(requestIn(row), receiver.account);
    const [now] = await tx.sql<OperationRow>`
      UPDATE payments.operation
      SET target = ${target}, params = ${params}::bytea, body_hash = ${body_hash}
      WHERE operation_id = ${row.operation_id} RETURNING *`;
    if (now !== undefined) moved.set(row.operation_id, now);
  }
  return rows.map((row) => moved.get(row.operation_id) ?? row);
}
