/** Which of an escrow's booked deposits a payment at the provider has to show. */
import type { Tx } from "#platform/database/database";
import { loadBooked } from "../deposits.ts";
import type { BookedDeposit } from "../domain/payment.ts";
import type { Root } from "../journal.ts";
import type { ProviderObjectRow } from "../schema.ts";

/**
 * By the payment's id. Where an escrow has several payments at the provider, because the making of one
 * was not answered, nobody kept which of them a deposit came by: there is nothing to hold against them.
 */
export async function bookedByObject(
  tx: Tx,
  rows: readonly ProviderObjectRow[],
  roots: ReadonlyMap<string, Root>,
): Promise<ReadonlyMap<string, ReadonlyMap<string, BookedDeposit>>> {
  const payments = rows.filter(({ kind, escrow_id }) => kind === "payment" && escrow_id !== null);
  if (payments.length === 0) return new Map();
  const single = await tx.sql<{ escrow_id: string }>`
    SELECT escrow_id FROM payments.provider_object
    WHERE kind = 'payment' AND escrow_id = ANY(${payments.map((row) => row.escrow_id ?? "")}::text[])
    GROUP BY escrow_id HAVING count(*) = 1`;
  const ids = new Set(single.map(({ escrow_id }) => escrow_id));
  const booked = await loadBooked(
    tx,
    [...roots.values()].map(({ escrowNo }) => escrowNo),
  );
  return new Map(
    payments.flatMap(({ escrow_id, object_id }) => {
      const root = roots.get(escrow_id ?? "");
      if (root === undefined || !ids.has(root.payment.escrowId)) return [];
      return [[object_id, booked.get(root.escrowNo) ?? new Map<string, BookedDeposit>()]];
    }),
  );
}
