/**
 * The screening's part of the last gate: no call pays a wallet while a screening of its operation is
 * open or was a hit, nor before there is one. What was never asked is asked here.
 */
import type { Tx } from "#platform/database/database";
import { screeningOf as screeningFor } from "../domain/ask-screening.ts";
import type { Screening } from "../domain/screening.ts";
import type { Root } from "../journal.ts";
import { type OperationRow, operationOf, type WriteRow } from "../schema.ts";
import { loadScreenings, screeningRow, writeScreenings } from "./screening-rows.ts";

/** The operations that may not be called; the screening's answer makes them due. */
export async function unscreened(
  tx: Tx,
  rows: readonly OperationRow[],
  roots: ReadonlyMap<string, Root>,
  now: Date,
): Promise<ReadonlySet<string>> {
  // What was sent before is finished or looked up: it passed here then.
  const needed = rows.flatMap((row) => {
    const root = roots.get(row.escrow_id);
    if (root === undefined || row.state !== "READY") return [];
    const screening = screeningFor(root.payment, operationOf(row), now);
    return screening === undefined ? [] : [{ row, root, screening }];
  });
  if (needed.length === 0) return new Set();
  const known = await loadScreenings(tx, [...new Set(needed.map(({ row }) => row.escrow_no))]);
  const waiting = new Set<string>();
  const fresh: WriteRow[] = [];
  for (const { row, root, screening } of needed) {
    const all = [...(known.get(row.escrow_no)?.values() ?? [])];
    const asked = all.some(({ reviewId }) => reviewId === screening.reviewId);
    if (asked && all.every((some) => isClear(some, row.operation_id))) continue;
    waiting.add(row.operation_id);
    if (!asked) fresh.push(screeningRow(root.escrowNo, row.escrow_id, screening, now));
  }
  await writeScreenings(tx, fresh);
  await tx.sql`
    UPDATE payments.operation SET due_at = NULL
    WHERE operation_id = ANY(${[...waiting]}::text[])`;
  return waiting;
}

function isClear({ operationId, state }: Screening, asked: string): boolean {
  return operationId !== asked || state === "CLEARED" || state === "LIFTED";
}
