/**
 * What one sale repaid of another's debt, in a statement of that one sale: taken off it and put to the
 * other, so that a sale which is over closes at 0. The moves of a seller's debt are loaded here only.
 */
import { sum } from "#kernel/money";
import type { Queryable } from "#platform/database/database";
import { debtEntriesOf, type SaleDebtEntry } from "../disputes/debt-entries.ts";
import { type DebtMove, debtMovesOf } from "./debt-moves.ts";
import type { PartyLine } from "./party-lines.ts";

/** Between one sale and the seller's others; none of all of them together. */
export async function movesOf(
  db: Queryable,
  partyId: string,
  escrowNo: bigint | undefined,
): Promise<readonly DebtMove[]> {
  if (escrowNo === undefined) return [];
  const entries = await debtEntriesOf(db, partyId);
  return debtMovesOf(entries).filter((move) => shareOf(move, escrowNo) !== 0n);
}

/** In his favour, of this sale. */
export function shareOf(move: DebtMove, escrowNo: bigint | undefined): bigint {
  if (move.for === escrowNo) return move.amount;
  return move.of === escrowNo ? -move.amount : 0n;
}

/** What this release earned and kept for another sale's debt: both lines, so that they cancel. */
export function moveLines(move: DebtMove, escrowNo: bigint | undefined): PartyLine[] {
  const { entry, amount } = move;
  const [earned, kept] = wordsFor(entry);
  const released = isRelease(entry) && move.of === escrowNo;
  return [
    ...(released ? [{ what: earned, amount }] : []),
    { what: kept, amount: shareOf(move, escrowNo) },
  ];
}

/** Its own line says less debt, which is the other sale's. */
export function withoutMoves(
  lines: readonly PartyLine[],
  { escrow_no, number, reason }: Pick<SaleDebtEntry, "escrow_no" | "number" | "reason">,
  moves: readonly DebtMove[],
): PartyLine[] {
  const here = moves.filter(
    ({ of, entry }) => of === escrow_no && entry.number === number && isRelease(entry),
  );
  const [, kept] = wordsFor({ reason });
  const gone = sum(here.map(({ amount }) => amount));
  return lines
    .map((line) => (line.what === kept ? { ...line, amount: line.amount - gone } : line))
    .filter(({ amount }) => amount !== 0n);
}

function isRelease({ reason }: Pick<SaleDebtEntry, "reason">): boolean {
  return reason === "release_accepted" || reason === "release_undone";
}

function wordsFor({ reason }: Pick<SaleDebtEntry, "reason">): readonly [string, string] {
  return reason === "release_undone" ? ["release_undone", "netting_undone"] : ["release", "netted"];
}
