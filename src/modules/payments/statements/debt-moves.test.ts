/** Which sale repaid which one's debt, with the numbers of a chargeback after the payout. */
import { describe, expect, test } from "bun:test";
import type { SaleDebtEntry } from "../disputes/debt-entries.ts";
import { debtMovesOf } from "./debt-moves.ts";

const currency = "USD";
const at = new Date("2030-01-01T00:00:00Z");

/** In the order of time. Sales are numbered; a positive amount is more debt. */
function debts(...lines: readonly (readonly [bigint, string, string, bigint])[]) {
  const entries = lines.map(([sale, reason, reference, amount], index): SaleDebtEntry => {
    const time = new Date(at.getTime() + index);
    const place = { at: time, escrow_no: sale, number: BigInt(index), line: 1 };
    return { ...place, escrow_id: `e${sale}`, reason, reference, currency, amount };
  });
  return debtMovesOf(entries).map((move) => [move.of, move.for, move.amount]);
}

describe("G7: whose debt a sale repaid", () => {
  test("story 9: of 9950 reversed 6000, 3000 is kept of the next sale, 950 comes back", () => {
    const moves = debts(
      [1n, "chargeback_taken", "dp_1", 9_950n],
      [1n, "transfer_reversed", "op_1", -6_000n],
      [2n, "release_accepted", "rel_2", -3_000n],
      [1n, "chargeback_reinstated", "dp_1", -950n],
    );
    expect(moves).toEqual([[2n, 1n, 3_000n]]);
  });

  test("a sale's own debt is repaid first, others' from the oldest on", () => {
    const moves = debts(
      [1n, "chargeback_taken", "dp_1", 500n],
      [2n, "chargeback_taken", "dp_2", 300n],
      [3n, "chargeback_taken", "dp_3", 100n],
      [3n, "release_accepted", "rel_3", -700n],
    );
    expect(moves).toEqual([
      [3n, 1n, 500n],
      [3n, 2n, 100n],
    ]);
  });

  test("a debt that was settled is new when the sale owes again", () => {
    const moves = debts(
      [1n, "chargeback_taken", "dp_1", 100n],
      [1n, "release_accepted", "rel_1", -100n],
      [2n, "chargeback_taken", "dp_2", 50n],
      [1n, "chargeback_taken", "dp_3", 60n],
      [3n, "release_accepted", "rel_3", -60n],
    );
    expect(moves).toEqual([
      [3n, 2n, 50n],
      [3n, 1n, 10n],
    ]);
  });

  test("story 11: a release that is undone owes again what it had repaid, where it was owed", () => {
    const moves = debts(
      [1n, "chargeback_taken", "dp_1", 500n],
      [2n, "release_accepted", "rel_2", -500n],
      [2n, "release_undone", "rel_2", 500n],
      [3n, "release_accepted", "rel_3", -500n],
    );
    expect(moves).toEqual([
      [2n, 1n, 500n],
      [2n, 1n, -500n],
      [3n, 1n, 500n],
    ]);
  });

  test("a settled debt that an undone release owes again is repaid after what others owe by then", () => {
    const moves = debts(
      [1n, "chargeback_taken", "dp_1", 500n],
      [2n, "release_accepted", "rel_2", -500n],
      [3n, "chargeback_taken", "dp_3", 100n],
      [2n, "release_undone", "rel_2", 500n],
      [4n, "release_accepted", "rel_4", -200n],
    );
    expect(moves.slice(2)).toEqual([
      [4n, 3n, 100n],
      [4n, 1n, 100n],
    ]);
  });

  test("a repayment that bears an earlier time than the debt it found repaid it all the same", () => {
    const moves = debts(
      [3n, "release_accepted", "rel_3", -100n],
      [5n, "chargeback_taken", "dp_5", 100n],
      [9n, "chargeback_taken", "dp_9", 40n],
      [6n, "release_accepted", "rel_6", -40n],
    );
    expect(moves).toEqual([
      [3n, 5n, 100n],
      [6n, 9n, 40n],
    ]);
  });

  test("currencies are debts of their own", () => {
    const euros = { reason: "release_accepted", reference: "r", currency: "EUR", amount: -5n };
    const place = { at, number: 1n, line: 1 };
    const entries: SaleDebtEntry[] = [
      { ...place, escrow_no: 1n, escrow_id: "e1", ...euros, currency: "USD", amount: 5n },
      { ...place, escrow_no: 2n, escrow_id: "e2", ...euros },
    ];
    expect(debtMovesOf(entries)).toEqual([]);
  });
});
