/**
 * The operators' statements, in the ledger's words: what moved on accounts in a stretch of time,
 * between what stood there before and after. Invariant: opening + lines = closing, account by account, since all three are sums over the
 * same entries.
 */
import type { Queryable } from "#platform/database/database";
import { HttpProblem } from "#platform/http/problem";
import type { EntryPosition } from "../domain/entry-position.ts";
import { type AccountKind, accountName } from "../ledger/accounts.ts";

/** Whose. All absent: every book there is. */
export interface Holder {
  readonly escrowNo?: bigint;
  readonly partyId?: string;
}

export interface Period {
  /** Inclusive; by business time, as everything booked. */
  readonly from: Date;
  /** Exclusive. */
  readonly until: Date;
}

export interface Balance {
  readonly account: string;
  readonly currency: string;
  /** Debits less credits, minor units: what is owed is negative, as in the trial balance. */
  readonly balance: bigint;
}

export interface StatementLine {
  readonly at: Date;
  readonly transactionId: string;
  readonly escrowId: string;
  readonly account: string;
  readonly reason: string;
  readonly reference: string;
  readonly currency: string;
  /** Signed like a balance. */
  readonly amount: bigint;
}

/** Where a page ended; opaque to callers. */
export type LineCursor = string;

interface Scope {
  readonly nos: readonly bigint[] | null;
  readonly owner: string;
}

async function scopeOf(db: Queryable, { escrowNo, partyId }: Holder): Promise<Scope> {
  if (escrowNo !== undefined) return { nos: [escrowNo], owner: "" };
  if (partyId === undefined) return { nos: null, owner: "" };
  const rows = await db.sql<{ no: bigint }>`
    SELECT escrow_no AS no FROM payments.payment
    WHERE buyer_id = ${partyId} OR seller_id = ${partyId}`;
  return { nos: rows.map(({ no }) => no), owner: partyId };
}

/** Accounts of several escrows are summed by kind, unless one escrow is asked for. */
export async function balancesAt(db: Queryable, holder: Holder, at: Date): Promise<Balance[]> {
  const { nos, owner } = await scopeOf(db, holder);
  const rows = await db.sql<{
    account: AccountKind;
    owner: string;
    currency: string;
    escrow_id: string;
    balance: bigint;
  }>`
    SELECT e.account, e.owner, e.currency, sum(e.amount)::bigint AS balance,
      CASE WHEN count(DISTINCT t.escrow_id) = 1 THEN min(t.escrow_id) ELSE '*' END AS escrow_id
    FROM payments.entry e
    JOIN payments.ledger_transaction t ON t.escrow_no = e.escrow_no AND t.number = e.number
    WHERE t.at < ${at}::timestamptz
      AND (${nos}::bigint[] IS NULL OR e.escrow_no = ANY(${nos}::bigint[])
        OR (e.account IN ('seller_debt', 'seller_payable') AND e.owner = ${owner}))
    GROUP BY e.account, e.owner, e.currency ORDER BY e.currency, e.account, e.owner`;
  const named = holder.escrowNo === undefined ? () => "*" : (id: string) => id;
  return rows.map(({ account, owner: whose, currency, escrow_id, balance }) => ({
    account: accountName({ kind: account, owner: whose }, named(escrow_id)),
    currency,
    balance,
  }));
}

interface LineRow extends EntryPosition {
  readonly escrow_id: string;
  readonly account: AccountKind;
  readonly owner: string;
  readonly currency: string;
  readonly amount: bigint;
  readonly reason: string;
  readonly reference: string;
}

/** In the order of their time. `next` undefined: the last page. */
export async function linesOf(
  db: Queryable,
  holder: Holder,
  { from, until }: Period,
  page: { readonly limit: number; readonly after: LineCursor | undefined },
): Promise<{ readonly lines: readonly StatementLine[]; readonly next: LineCursor | undefined }> {
  const { nos, owner } = await scopeOf(db, holder);
  const after = positionAfter(page.after, from);
  const rows = await db.sql<LineRow>`
    SELECT e.escrow_no, e.number, e.line, t.escrow_id, e.account, e.owner, e.currency, e.amount,
      t.reason, t.reference, t.at
    FROM payments.ledger_transaction t
    JOIN payments.entry e ON e.escrow_no = t.escrow_no AND e.number = t.number
    WHERE t.at >= ${from}::timestamptz AND t.at < ${until}::timestamptz
      AND (t.at, e.escrow_no, e.number, e.line)
        > (${after.at}::timestamptz, ${after.no}::bigint, ${after.number}::bigint, ${after.line}::int)
      AND (${nos}::bigint[] IS NULL OR e.escrow_no = ANY(${nos}::bigint[])
        OR (e.account IN ('seller_debt', 'seller_payable') AND e.owner = ${owner}))
    ORDER BY t.at, e.escrow_no, e.number, e.line LIMIT ${page.limit + 1}`;
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  const more = rows.length > page.limit && last !== undefined;
  return { lines: shown.map(lineOf), next: more ? cursorOf(last) : undefined };
}

function lineOf(row: LineRow): StatementLine {
  const { escrow_id: escrowId, account: kind, owner, at, reason, reference } = row;
  return {
    at,
    transactionId: `${escrowId}.${row.number}`,
    escrowId,
    account: accountName({ kind, owner }, escrowId),
    reason,
    reference,
    currency: row.currency,
    amount: row.amount,
  };
}

export function cursorOf({ at, escrow_no, number, line }: EntryPosition): LineCursor {
  const position = [at.toISOString(), `${escrow_no}`, `${number}`, `${line}`].join("|");
  return Buffer.from(position).toString("base64url");
}

/** Where the next page begins; the first one begins at `from`. HttpProblem 400 for no cursor of ours. */
export function positionAfter(cursor: LineCursor | undefined, from: Date) {
  if (cursor === undefined) return { at: from, no: -1n, number: 0n, line: 0 };
  const position = positionOf(Buffer.from(cursor, "base64url").toString("utf8"));
  if (position !== undefined) return position;
  throw new HttpProblem("BAD_REQUEST", "Not a cursor of a statement.", { field: "cursor" });
}

/** As `cursorOf` writes it: an instant of four digits' year, and numbers the database's types hold. */
const written =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z)\|([0-9]{1,18})\|([0-9]{1,18})\|([0-9]{1,9})$/;

function positionOf(text: string) {
  const [, instant = "", no = "", number = "", line = ""] = written.exec(text) ?? [];
  const at = new Date(instant);
  if (Number.isNaN(at.getTime()) || at.getUTCFullYear() === 0) return undefined;
  return { at, no: BigInt(no), number: BigInt(number), line: Number(line) };
}
