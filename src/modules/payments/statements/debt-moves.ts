/**
 * What one sale repaid of a debt that another had made, as the debt book attributes it: it is told in
 * both sales' statements. Pure. Over all of a seller's sales the moves sum to nothing: what leaves one
 * arrives at another.
 */
import { sum } from "#kernel/money";
import type { SaleDebtEntry } from "../disputes/debt-entries.ts";
import { attributeDebts } from "../domain/debt-book.ts";

/** Kept of the sale the entry is of, for the debt of another. */
export interface DebtMove {
  readonly entry: SaleDebtEntry;
  readonly of: bigint;
  readonly for: bigint;
  /** Minor units; negative: it was undone. */
  readonly amount: bigint;
}

/** One of an entry and another sale, whichever of that sale's disputes they were. */
export function debtMovesOf(entries: readonly SaleDebtEntry[]): readonly DebtMove[] {
  const others = attributeDebts(entries).filter(({ entry, sale }) => sale !== entry.escrow_no);
  return Array.from(
    Map.groupBy(others, ({ entry }) => entry),
    ([entry, parts]) =>
      Array.from(
        Map.groupBy(parts, ({ sale }) => sale),
        ([sale, ofSale]): DebtMove => ({
          entry,
          of: entry.escrow_no,
          for: sale,
          amount: -sum(ofSale.map(({ amount }) => amount)),
        }),
      ),
  ).flat();
}
