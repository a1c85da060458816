/**
 * I1 for what was taken back: each dispute's money is where its own entries say, and what was taken
 * less what came back is the sum of its movements. Takes no lock.
 */

import type { Database } from "#platform/database/database";
import { type Finding, found } from "#platform/verify/checks";

export async function checkDisputes(db: Database): Promise<Finding> {
  const [row] = await db.sql<{ checked: bigint; wrong: string | null }>`
    SELECT count(*) AS checked, min(d.dispute_id) FILTER (
      WHERE d.open <> e.open OR d.debt <> e.debt OR d.losses <> e.losses
        OR d.payable <> e.payable OR d.fees + d.pending + d.held <> e.from_escrow
        OR d.taken <> m.taken OR d.reinstated <> m.reinstated) AS wrong
    FROM payments.dispute d
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(amount) FILTER (WHERE account = 'dispute'), 0) AS open,
        coalesce(sum(amount) FILTER (WHERE account = 'seller_debt'), 0) AS debt,
        coalesce(sum(amount) FILTER (WHERE account = 'platform_losses'), 0) AS losses,
        coalesce(sum(-amount) FILTER (WHERE account = 'seller_payable'), 0) AS payable,
        coalesce(sum(amount) FILTER (
          WHERE account IN ('platform_fees', 'pending', 'held')), 0) AS from_escrow
      FROM payments.entry e JOIN payments.ledger_transaction t USING (escrow_no, number)
      WHERE e.escrow_no = d.escrow_no AND t.reference = d.dispute_id) e
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(amount) FILTER (WHERE direction = 'taken'), 0) AS taken,
        coalesce(sum(amount) FILTER (WHERE direction = 'reinstated'), 0) AS reinstated
      FROM payments.dispute_movement m
      WHERE m.escrow_no = d.escrow_no AND m.dispute_id = d.dispute_id) m`;
  const text = row?.wrong ? `dispute ${row.wrong} is not as its entries say` : undefined;
  const name = "what was taken back is where its entries say";
  return { id: "I1", name, checked: row?.checked ?? 0n, ...found(text) };
}
