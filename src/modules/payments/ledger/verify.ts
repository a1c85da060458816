/**
 * The proof of the books, asked of the database at any time (I1): every ledger transaction
 * balances, nothing owed is negative, each escrow's balances keep the equation and agree with
 * their entries. Reads a few hundred escrows at a time, each slice in one snapshot; a transaction
 * never spans two slices, so the sums over all of them are as good as one long read.
 */
import type { Queryable } from "#platform/database/database";
import type { AccountKind } from "./accounts.ts";

export interface LedgerViolation {
  readonly check: string;
  /** The escrow, account or transaction it was found at. */
  readonly where: string;
  readonly detail: string;
}

export interface LedgerReport {
  /** Ledger transactions and escrows looked at. */
  readonly checked: bigint;
  readonly violations: readonly LedgerViolation[];
}

export interface AccountSum {
  readonly currency: string;
  readonly account: AccountKind;
  readonly owner: string;
  /** Debits less credits. */
  readonly balance: bigint;
}

interface Slice {
  readonly from: bigint;
  readonly to: bigint;
}

const sliceSize = 250n;

/** Takes no lock; may run while money moves. */
export async function verifyLedger(db: Queryable): Promise<LedgerReport> {
  const violations: LedgerViolation[] = [];
  let checked = 0n;
  for await (const part of ledgerRound(db)) {
    checked += part.checked;
    violations.push(...part.violations);
  }
  return { checked, violations };
}

/** The same piece by piece, for whoever takes his time over it. */
export async function* ledgerRound(db: Queryable): AsyncGenerator<LedgerReport> {
  for await (const slice of slices(db)) {
    const violations = [
      ...(await unbalanced(db, slice)),
      ...(await inequal(db, slice)),
      ...(await drifted(db, slice)),
    ];
    yield { checked: await count(db, slice), violations };
  }
  yield { checked: 0n, violations: await overdrawn(db) };
}

/** Every account's balance, now or at an instant; escrows' own accounts are summed by kind. */
export async function sumAccounts(db: Queryable, asOf?: Date): Promise<readonly AccountSum[]> {
  const sums = new Map<string, AccountSum>();
  for await (const { from, to } of slices(db)) {
    const rows = await db.sql<AccountSum>`
      SELECT currency, account, owner, sum(amount)::bigint AS balance FROM payments.entry e
      WHERE escrow_no >= ${from} AND escrow_no < ${to}
        AND (${asOf ?? null}::timestamptz IS NULL OR EXISTS (
          SELECT FROM payments.ledger_transaction t WHERE t.escrow_no = e.escrow_no
            AND t.number = e.number AND t.at <= ${asOf ?? null}::timestamptz))
      GROUP BY currency, account, owner`;
    for (const row of rows) {
      const key = `${row.currency} ${row.account} ${row.owner}`;
      const balance = (sums.get(key)?.balance ?? 0n) + row.balance;
      sums.set(key, { ...row, balance });
    }
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

async function* slices(db: Queryable): AsyncGenerator<Slice> {
  const [row] = await db.sql<{ last: bigint }>`
    SELECT greatest((SELECT max(escrow_no) FROM payments.entry),
      (SELECT max(escrow_no) FROM payments.payment), 0) AS last`;
  const last = row?.last ?? 0n;
  for (let from = 0n; from <= last; from += sliceSize) yield { from, to: from + sliceSize };
}

async function count(db: Queryable, { from, to }: Slice): Promise<bigint> {
  const [row] = await db.sql<{ checked: bigint }>`
    SELECT (SELECT count(*) FROM payments.ledger_transaction
            WHERE escrow_no >= ${from} AND escrow_no < ${to})
         + (SELECT count(*) FROM payments.payment
            WHERE escrow_no >= ${from} AND escrow_no < ${to}) AS checked`;
  return row?.checked ?? 0n;
}

async function unbalanced(db: Queryable, { from, to }: Slice): Promise<LedgerViolation[]> {
  const transactions = await db.sql<{ found: string; off: string }>`
    SELECT escrow_no || '/' || number AS found, sum(amount)::text || ' ' || currency AS off
    FROM payments.entry WHERE escrow_no >= ${from} AND escrow_no < ${to}
    GROUP BY escrow_no, number, currency HAVING sum(amount) <> 0`;
  const headless = await db.sql<{ found: string }>`
    SELECT escrow_no || '/' || number AS found FROM payments.ledger_transaction t
    WHERE escrow_no >= ${from} AND escrow_no < ${to} AND NOT EXISTS (
      SELECT FROM payments.entry e WHERE e.escrow_no = t.escrow_no AND e.number = t.number)`;
  return [
    ...transactions.map(({ found, off }) => violation("balanced", found, off)),
    ...headless.map(({ found }) => violation("has_entries", found, "no entries")),
  ];
}

async function inequal(db: Queryable, { from, to }: Slice): Promise<LedgerViolation[]> {
  const rows = await db.sql<{ found: string }>`
    SELECT escrow_id AS found FROM payments.payment
    WHERE escrow_no >= ${from} AND escrow_no < ${to} AND (
      funded <> pending + held + reserved + released + refunded + fees + charged_back + blocked
      OR least(funded, pending, held, reserved, released, refunded, fees, charged_back, blocked) < 0)`;
  return rows.map(({ found }) => violation("equation", found, "does not hold"));
}

async function drifted(db: Queryable, { from, to }: Slice): Promise<LedgerViolation[]> {
  const rows = await db.sql<{ found: string; account: string; ours: string; books: string }>`
    SELECT p.escrow_id AS found, b.account, b.ours::text, b.books::text
    FROM payments.payment p
    LEFT JOIN (
      SELECT escrow_no, currency,
        coalesce(sum(-amount) FILTER (WHERE account = 'pending'), 0) AS pending,
        coalesce(sum(-amount) FILTER (WHERE account = 'held'), 0) AS held,
        coalesce(sum(-amount) FILTER (WHERE account = 'reserved'), 0) AS reserved,
        coalesce(sum(-amount) FILTER (WHERE account = 'blocked'), 0) AS blocked,
        coalesce(sum(-amount) FILTER (WHERE account = 'platform_fees'), 0) AS fees
      FROM payments.entry WHERE escrow_no >= ${from} AND escrow_no < ${to}
      GROUP BY escrow_no, currency
    ) e ON e.escrow_no = p.escrow_no AND e.currency = p.currency
    CROSS JOIN LATERAL (VALUES
      ('pending', p.pending, coalesce(e.pending, 0)), ('held', p.held, coalesce(e.held, 0)),
      ('reserved', p.reserved, coalesce(e.reserved, 0)),
      ('blocked', p.blocked, coalesce(e.blocked, 0)), ('fees', p.fees, coalesce(e.fees, 0))
    ) AS b (account, ours, books)
    WHERE p.escrow_no >= ${from} AND p.escrow_no < ${to} AND b.ours <> b.books`;
  return rows.map(({ found, account, ours, books }) =>
    violation("agrees", found, `${account}: ${ours} here, ${books} in the entries`),
  );
}

/** Of the accounts that span escrows, in one statement: they move from slice to slice. */
async function overdrawn(db: Queryable): Promise<LedgerViolation[]> {
  const rows = await db.sql<{ found: string; off: string }>`
    SELECT account || ':' || owner AS found, sum(amount)::text || ' ' || currency AS off
    FROM payments.entry
    WHERE account IN ('suspense', 'suspense_blocked', 'seller_payable', 'seller_debt')
    GROUP BY account, owner, currency
    HAVING CASE WHEN account = 'seller_debt' THEN sum(amount) < 0 ELSE sum(amount) > 0 END`;
  const debts = await db.sql<{ found: string; off: string }>`
    SELECT coalesce(e.owner, d.party_id) AS found,
      coalesce(d.owed, 0) || ' here, ' || coalesce(e.owed, 0) || ' in the entries' AS off
    FROM payments.seller_debt d
    FULL JOIN (
      SELECT owner, currency, sum(amount) AS owed FROM payments.entry
      WHERE account = 'seller_debt' GROUP BY owner, currency
    ) e ON e.owner = d.party_id AND e.currency = d.currency
    WHERE coalesce(d.owed, 0) <> coalesce(e.owed, 0)`;
  return [
    ...rows.map(({ found, off }) => violation("not_negative", found, off)),
    ...debts.map(({ found, off }) => violation("debt", found, off)),
  ];
}

function violation(check: string, where: string, detail: string): LedgerViolation {
  return { check, where, detail };
}
