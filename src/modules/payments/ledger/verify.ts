/**
 * The proof of the books, asked of the database at any time (I1): every ledger transaction
 * balances, nothing owed is negative, each escrow's balances keep the equation and agree with
 * their entries, the trial balance is zero.
 */
import type { Queryable } from "#platform/database";

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

/** At most this many of each kind are listed. */
const LISTED = 20;

/** Reads one snapshot only when `db` is a REPEATABLE READ transaction; takes no lock. */
export async function verifyLedger(db: Queryable): Promise<LedgerReport> {
  const [counted] = await db.sql<{ checked: bigint }>`
    SELECT (SELECT count(*) FROM payments.ledger_transaction)
         + (SELECT count(*) FROM payments.payment) AS checked`;
  const violations = [
    ...(await unbalanced(db)),
    ...(await overdrawn(db)),
    ...(await inequal(db)),
    ...(await drifted(db)),
  ];
  return { checked: counted?.checked ?? 0n, violations };
}

async function unbalanced(db: Queryable): Promise<LedgerViolation[]> {
  const transactions = await db.sql<{ found: string; off: string }>`
    SELECT escrow_no || '/' || number AS found, sum(amount)::text || ' ' || currency AS off
    FROM payments.entry GROUP BY escrow_no, number, currency HAVING sum(amount) <> 0
    LIMIT ${LISTED}`;
  const headless = await db.sql<{ found: string }>`
    SELECT escrow_no || '/' || number AS found FROM payments.ledger_transaction t
    WHERE NOT EXISTS (
      SELECT FROM payments.entry e WHERE e.escrow_no = t.escrow_no AND e.number = t.number)
    LIMIT ${LISTED}`;
  const currencies = await db.sql<{ found: string; off: string }>`
    SELECT currency AS found, sum(amount)::text AS off FROM payments.entry
    GROUP BY currency HAVING sum(amount) <> 0`;
  return [
    ...transactions.map(({ found, off }) => violation("balanced", found, off)),
    ...headless.map(({ found }) => violation("has_entries", found, "no entries")),
    ...currencies.map(({ found, off }) => violation("trial_balance", found, off)),
  ];
}

async function overdrawn(db: Queryable): Promise<LedgerViolation[]> {
  const rows = await db.sql<{ found: string; off: string }>`
    SELECT account || ':' || owner AS found, sum(amount)::text || ' ' || currency AS off
    FROM payments.entry
    WHERE account IN ('suspense', 'suspense_blocked', 'seller_payable', 'seller_debt')
    GROUP BY account, owner, currency
    HAVING CASE WHEN account = 'seller_debt' THEN sum(amount) < 0 ELSE sum(amount) > 0 END
    LIMIT ${LISTED}`;
  return rows.map(({ found, off }) => violation("not_negative", found, off));
}

async function inequal(db: Queryable): Promise<LedgerViolation[]> {
  const rows = await db.sql<{ found: string }>`
    SELECT escrow_id AS found FROM payments.payment
    WHERE funded <> pending + held + reserved + released + refunded + fees + charged_back + blocked
       OR least(funded, pending, held, reserved, released, refunded, fees, charged_back, blocked) < 0
    LIMIT ${LISTED}`;
  return rows.map(({ found }) => violation("equation", found, "does not hold"));
}

async function drifted(db: Queryable): Promise<LedgerViolation[]> {
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
      FROM payments.entry GROUP BY escrow_no, currency
    ) e ON e.escrow_no = p.escrow_no AND e.currency = p.currency
    CROSS JOIN LATERAL (VALUES
      ('pending', p.pending, coalesce(e.pending, 0)), ('held', p.held, coalesce(e.held, 0)),
      ('reserved', p.reserved, coalesce(e.reserved, 0)),
      ('blocked', p.blocked, coalesce(e.blocked, 0)), ('fees', p.fees, coalesce(e.fees, 0))
    ) AS b (account, ours, books)
    WHERE b.ours <> b.books LIMIT ${LISTED}`;
  return rows.map(({ found, account, ours, books }) =>
    violation("agrees", found, `${account}: ${ours} here, ${books} in the entries`),
  );
}

function violation(check: string, where: string, detail: string): LedgerViolation {
  return { check, where, detail };
}
