/**
 * A party's statement: what happened to his money in a stretch of time, line by line in his view,
 * between his balance before and after. Invariant: opening + lines = closing, currency by currency,
 * since all three are of the same entries of the ledger.
 */
import { sum } from "#kernel/money";
import type { Queryable } from "#platform/database/database";
import type { SaleDebtEntry } from "../disputes/debt-entries.ts";
import { byPosition, type EntryPosition } from "../domain/entry-position.ts";
import type { AccountKind } from "../ledger/accounts.ts";
import type { DebtMove } from "./debt-moves.ts";
import { type BookedPosting, linesFor, type PartyLine, type PartyRole } from "./party-lines.ts";
import { moveLines, movesOf, shareOf, withoutMoves } from "./sale-debts.ts";
import { cursorOf, type LineCursor, type Period, positionAfter } from "./statements.ts";

/** A party, in all his escrows or in one of them. */
export interface PartyHolder {
  readonly partyId: string;
  readonly escrowNo?: bigint;
}

export interface PartyBalance {
  readonly currency: string;
  /** Minor units, in his favour: what is kept for him or owed to him, less what he owes. */
  readonly amount: bigint;
}

export interface PartyStatementLine extends PartyLine {
  readonly at: Date;
  readonly escrowId: string;
  readonly role: PartyRole;
  readonly currency: string;
  readonly reference: string;
  readonly transactionId: string;
}

/** Of every currency of his escrows in which anything was booked, so that an opening has its 0. */
export async function partyBalancesAt(
  db: Queryable,
  { partyId, escrowNo: no }: PartyHolder,
  at: Date,
): Promise<PartyBalance[]> {
  const escrowNo = no ?? null;
  const rows = await db.sql<PartyBalance>`
    SELECT e.currency,
      coalesce(-sum(e.amount) FILTER (WHERE t.at < ${at}::timestamptz
        AND (p.buyer_id = ${partyId} OR e.owner = ${partyId})), 0)::bigint AS amount
    FROM payments.payment p JOIN payments.entry e ON e.escrow_no = p.escrow_no
    JOIN payments.ledger_transaction t ON t.escrow_no = e.escrow_no AND t.number = e.number
    WHERE (p.buyer_id = ${partyId} OR p.seller_id = ${partyId})
      AND (${escrowNo}::bigint IS NULL OR p.escrow_no = ${escrowNo}::bigint)
      AND (e.account IN ('pending', 'held', 'reserved', 'blocked')
        OR (e.account IN ('seller_debt', 'seller_payable') AND e.owner = ${partyId}))
    GROUP BY e.currency ORDER BY e.currency`;
  const moves = (await movesOf(db, partyId, no)).filter(({ entry }) => entry.at < at);
  return rows.map(({ currency, amount }) => {
    const here = moves.filter(({ entry }) => entry.currency === currency);
    return { currency, amount: amount + sum(here.map((move) => shareOf(move, no))) };
  });
}

interface PostingRow extends EntryPosition {
  readonly escrow_id: string;
  readonly buyer_id: string;
  readonly debit_account: AccountKind;
  readonly debit_owner: string;
  readonly credit_account: AccountKind;
  readonly credit_owner: string;
  readonly currency: string;
  readonly amount: bigint;
  readonly reason: string;
  readonly reference: string;
  readonly dispute_kind: string | null;
}

/**
 * In the order of their time. A page is one of postings, so it may have fewer lines than `limit`, or
 * more. `next` undefined: the last page.
 */
export async function partyLinesOf(
  db: Queryable,
  { partyId, escrowNo: no }: PartyHolder,
  { from, until }: Period,
  page: { readonly limit: number; readonly after: LineCursor | undefined },
): Promise<{
  readonly lines: readonly PartyStatementLine[];
  readonly next: LineCursor | undefined;
}> {
  const escrowNo = no ?? null;
  const after = positionAfter(page.after, from);
  // A posting is two entries: an odd line is its debit, the next its credit.
  const rows = await db.sql<PostingRow>`
    SELECT t.at, e.escrow_no, e.number, e.line, t.escrow_id, p.buyer_id,
      e.account AS debit_account, e.owner AS debit_owner,
      c.account AS credit_account, c.owner AS credit_owner,
      e.currency, e.amount, t.reason, t.reference, d.kind AS dispute_kind
    FROM payments.payment p
    JOIN payments.ledger_transaction t ON t.escrow_no = p.escrow_no
    JOIN payments.entry e ON e.escrow_no = t.escrow_no AND e.number = t.number AND e.line % 2 = 1
    JOIN payments.entry c
      ON c.escrow_no = e.escrow_no AND c.number = e.number AND c.line = e.line + 1
    LEFT JOIN payments.dispute d ON d.escrow_no = t.escrow_no AND d.dispute_id = t.reference
    WHERE (p.buyer_id = ${partyId} OR p.seller_id = ${partyId})
      AND (${escrowNo}::bigint IS NULL OR p.escrow_no = ${escrowNo}::bigint)
      AND t.at >= ${from}::timestamptz AND t.at < ${until}::timestamptz
      AND (t.at, e.escrow_no, e.number, e.line)
        > (${after.at}::timestamptz, ${after.no}::bigint, ${after.number}::bigint, ${after.line}::int)
    ORDER BY t.at, e.escrow_no, e.number, e.line LIMIT ${page.limit + 1}`;
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  const more = rows.length > page.limit && last !== undefined;
  const afterPosition = {
    at: after.at,
    escrow_no: after.no,
    number: after.number,
    line: after.line,
  };
  const moves = (await movesOf(db, partyId, no))
    .filter(
      ({ entry }) => entry.at >= from && entry.at < until && byPosition(entry, afterPosition) > 0,
    )
    .filter(({ entry }) => !more || byPosition(entry, last) <= 0);
  const placed: Placed[] = [
    ...shown.map((row) => postingLines(row, partyId, moves)),
    ...moves.map((move) => ({
      row: move.entry,
      role: "seller" as const,
      lines: moveLines(move, no),
    })),
  ].sort((a, b) => byPosition(a.row, b.row));
  return {
    lines: merged(placed.flatMap(statedLines)),
    next: more ? cursorOf(last) : undefined,
  };
}

interface Placed {
  readonly row: PostingRow | SaleDebtEntry;
  readonly role: PartyRole;
  readonly lines: readonly PartyLine[];
}

function postingLines(row: PostingRow, partyId: string, moves: readonly DebtMove[]): Placed {
  const role = row.buyer_id === partyId ? "buyer" : "seller";
  return { row, role, lines: withoutMoves(linesFor(role, partyId, postingOf(row)), row, moves) };
}

function statedLines({ row, role, lines }: Placed): PartyStatementLine[] {
  const { at, escrow_id: escrowId, number, currency, reference } = row;
  const transactionId = `${escrowId}.${number}`;
  return lines.map((line) => {
    return { at, escrowId, role, ...line, currency, reference, transactionId };
  });
}

/** What one transaction was to him in one way is one line. */
function merged(lines: readonly PartyStatementLine[]): PartyStatementLine[] {
  const found = new Map<string, PartyStatementLine>();
  for (const line of lines) {
    const way = `${line.transactionId} ${line.what} ${line.currency} ${line.amount > 0n}`;
    const same = found.get(way);
    found.set(way, same ? { ...same, amount: same.amount + line.amount } : line);
  }
  return [...found.values()];
}

function postingOf(row: PostingRow): BookedPosting {
  return {
    reason: row.reason,
    debit: { account: row.debit_account, owner: row.debit_owner },
    credit: { account: row.credit_account, owner: row.credit_owner },
    amount: row.amount,
    disputeKind: row.dispute_kind ?? "",
  };
}
