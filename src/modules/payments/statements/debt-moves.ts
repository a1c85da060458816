/**
 * What one sale repaid of a debt that another had made. A seller's debt is one account over all his
 * sales, so the ledger cannot say; here a repayment falls on the sale's own debt first, then on the
 * oldest, and what was repaid of others' is told in both sales' statements. Pure. Over all of a
 * seller's sales the moves sum to nothing: what leaves one arrives at another.
 */
import { min, sum } from "#kernel/money";
import type { Position } from "./statements.ts";

/** An entry on the account of the seller's debt, in the order of time. */
export interface DebtEntry extends Position {
  readonly escrow_id: string;
  readonly reason: string;
  readonly reference: string;
  readonly currency: string;
  /** Signed: a debit is more debt. */
  readonly amount: bigint;
}

/** Kept of the sale the entry is of, for the debt of another. */
export interface DebtMove {
  readonly entry: DebtEntry;
  readonly of: bigint;
  readonly for: bigint;
  /** Minor units; negative: it was undone. */
  readonly amount: bigint;
}

export function debtMovesOf(entries: readonly DebtEntry[]): readonly DebtMove[] {
  return [...Map.groupBy(entries, ({ currency }) => currency).values()].flatMap((ofOne) => {
    const debts: Debts = new Map();
    const moves: DebtMove[] = [];
    for (const entry of asItWas(ofOne)) {
      moves.push(...(entry.amount > 0n ? owes(debts, entry, moves) : repays(debts, entry)));
    }
    return moves;
  });
}

/**
 * Nobody repays what nobody owes. Times are taken before the rows are locked, so a repayment can
 * bear an earlier one than the debt it found: it comes once there is so much debt.
 */
function asItWas(entries: readonly DebtEntry[]): readonly DebtEntry[] {
  const ordered: DebtEntry[] = [];
  let early: DebtEntry[] = [];
  let owed = 0n;
  for (const entry of entries) {
    const waiting = [...early, entry];
    early = [];
    for (const one of waiting) {
      if (owed + one.amount < 0n) early.push(one);
      else {
        owed += one.amount;
        ordered.push(one);
      }
    }
  }
  return [...ordered, ...early];
}

/** What each sale owes, never 0, in the order in which they began to owe it. */
type Debts = Map<bigint, bigint>;

function owes(debts: Debts, entry: DebtEntry, before: readonly DebtMove[]): DebtMove[] {
  // A release that was undone: what it had repaid is owed again, where it was owed. A debt that was
  // settled meanwhile counts as made now, the newest: which of others' is repaid first is a rule for
  // showing only, and what was shown before stays as it was.
  const undone =
    entry.reason === "release_undone"
      ? before.filter((move) => isOf(move, entry)).map((move) => ({ ...move, entry }))
      : [];
  const own = entry.amount - sum(undone.map(({ amount }) => amount));
  for (const { for: sale, amount } of undone) add(debts, sale, amount);
  add(debts, entry.escrow_no, own);
  return undone.map((move) => ({ ...move, amount: -move.amount }));
}

function isOf({ entry: { escrow_no, reference } }: DebtMove, other: DebtEntry): boolean {
  return escrow_no === other.escrow_no && reference === other.reference;
}

function repays(debts: Debts, entry: DebtEntry): DebtMove[] {
  const { escrow_no: of } = entry;
  let left = -entry.amount;
  const moves: DebtMove[] = [];
  for (const sale of [of, ...debts.keys()]) {
    const amount = min(left, debts.get(sale) ?? 0n);
    if (amount === 0n) continue;
    left -= amount;
    add(debts, sale, -amount);
    if (sale !== of) moves.push({ entry, of, for: sale, amount });
  }
  return moves;
}

function add(debts: Debts, sale: bigint, amount: bigint): void {
  const owed = (debts.get(sale) ?? 0n) + amount;
  // A settled debt has no place: what the sale owes later is newer than what others owe by then.
  if (owed === 0n) debts.delete(sale);
  else debts.set(sale, owed);
}
